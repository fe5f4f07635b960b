"""What the documents tell people to type exists. What they link to: test_pages.py."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from entitlements.cli.app import app
from entitlements.domain import ids

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md")), ROOT / "deploy/README.md"]
TYPED = re.compile(r"^(?:\$ )?(entitlements (?!\.)[a-z].*?)(?:\s+#.*)?$", re.MULTILINE)


def lines_typed() -> list[str]:
    blocks = [block for page in PAGES for block in re.findall(r"```\w*\n(.*?)```", page.read_text(), re.DOTALL)]
    return [line for block in blocks for line in TYPED.findall(block)]


@pytest.mark.parametrize("line", lines_typed())
def test_what_people_are_told_to_type_exists(line: str) -> None:
    words = shlex.split(line)[1:]
    command: Any = get_command(app)
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if hasattr(command, "default"):  # `entitlements customer show ws-1` is `entitlements usage show ws-1`.
        command = command.commands[command.default]
    assert not hasattr(command, "commands"), f"{line!r} is no command"
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known | {"--help"}


def test_the_service_template_starts_processes_that_exist() -> None:
    named = re.search(r"entitlements@engine, (.*)\.", (ROOT / "deploy/entitlements@.service").read_text())
    assert named is not None
    commands: Any = get_command(app)
    assert {"engine", *re.findall(r"@([\w-]+)", named[1])} <= set(commands.commands["run"].commands)


@pytest.mark.parametrize("page", ["api.md", "rules/exactly-once.md"])
def test_pages_name_every_id_that_may_not_be_a_derived_one(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    (said,) = re.findall(r"must not begin with `~`[^:]*:(.*?`RecordUsageBatch`)", text, re.DOTALL)
    named = {name for kind, fields in ids._CHOSEN.items() for name in (kind.__name__, *fields)}
    assert named | {"usage_id"} == set(re.findall(r"`(\w+)`", said))
