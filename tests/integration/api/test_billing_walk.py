"""The billing engineer's page is walked as it stands: every request is accepted, and every answer is as shown."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
from tests.serving import OPERATOR, Service

PAGE = Path(__file__).parents[3] / "docs/billing.md"
STEP = re.compile(r"^\$ (curl .*)\n(\{.*\})$", re.MULTILINE)


def test_the_walk_needs_no_refused_request(service: Service) -> None:
    text = PAGE.read_text()
    steps = STEP.findall(text)
    assert len(steps) == len(re.findall(r"^\$ ", text, re.MULTILINE)) >= 18, "every command has its answer"
    commands = re.findall(r"/v1/commands/(\w+)", " ".join(command for command, _ in steps))
    assert {"OpenPool", "ProvisionPool", "ChangePlan", "SuspendProvision", "ResumeProvision"} < set(commands)
    assert commands.count("EndProvision") == 2
    # The key of the page, and no other: what `api-key create --act-for all` gives.
    key = service.key(OPERATOR, ("read", "use", "administer"), act_for="all")
    assert "--act-for all --scope read --scope use --scope administer" in text
    clients = {f"{name}.curl": service.client_with(key, name) for name in (OPERATOR, "initech-inc")}
    token = ""
    for command, shown in steps:
        answer = sent(clients, command, token)
        assert answer.is_success, (command, answer.text)
        found, told = answer.json(), json.loads(shown)
        assert {name: found[name] for name in told} == told, command
        token = answer.headers.get("entitlements-consistency", token)
    for client in clients.values():
        client.close()


def test_a_change_of_plan_needs_no_more_than_its_set() -> None:
    change = next(command for command, _ in STEP.findall(PAGE.read_text()) if "/ChangePlan" in command)
    assert '"set_id": "documents-team"' in change
    assert "ladder" not in change
    assert "rung" not in change


def sent(clients: dict[str, httpx.Client], command: str, token: str) -> httpx.Response:
    """Do what curl does: the options that the page uses."""
    program, quiet, file, *words = shlex.split(command.replace("$(token)", token).replace("$API", ""))
    assert (program, quiet) == ("curl", "-sK")
    headers: dict[str, str] = {"content-type": "application/json"}
    address, body = "", ""
    while words:
        word = words.pop(0)
        if word == "-H":
            name, _, value = words.pop(0).partition(": ")
            headers |= {name: value} if value else {}
        elif word == "-d":
            body = words.pop(0)
        else:
            address = word
    facts: Any = json.loads(body)
    return clients[file].post(address, json=facts, headers=headers)
