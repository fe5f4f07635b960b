"""`entitlements pool list` and its like against a real Postgres: pages, filters, tables."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from entitlements import testing
from entitlements.cli import output
from entitlements.cli.running import run
from entitlements.domain import commands as asks
from entitlements.ledger.caller import new_id
from entitlements_projections.database import connect
from entitlements_projections.migrations import migrate
from entitlements_projections.testing import AT_MS, SyntheticLedger, random_history, rules_of, write

#: Each list with the organization that it is of, and the column that names its rows.
LISTS = {
    "pool": ("acme", "pool_id"), "customer": ("acme", "customer_id"), "provision": ("acme", "provision_id"),
    "grant": ("acme", "grant_id"), "usage": ("acme", "pool_version"), "unit": ("org-0", "unit_id"),
    "member": ("org-0", "subject_id"), "policy": ("org-0", "policy_id"), "api-key": ("org-0", "key_id"), "campaign": ("", "campaign_id"),
    "key": ("", "resource_key"), "set": ("", "set_id"),
}  # fmt: skip
LONG = "x" * 100

Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def database(postgres: str) -> Iterator[str]:
    with testing.a_database(postgres) as url:
        migrate(url)
        ledger = SyntheticLedger()
        random_history(ledger, Random(12), 400)
        for name in ("free", "pro"):
            ledger.ask(AT_MS, asks.DefineEntitlementSet(command_id=new_id(), set_id=name, name=name, rules=rules_of(1)))
        pool = asks.OpenPool(command_id=new_id(), pool_id=f"pool-{LONG}", organization_id="long", name="A pool " * 20)
        bought = asks.ProvisionPool(
            command_id=new_id(), pool_id=f"pool-{LONG}", provision_id=f"plan-{LONG}", source="purchase", set_id="free", set_version=1, rules=rules_of(1)
        )  # fmt: skip
        ledger.ask(AT_MS, pool, bought)
        with closing(connect(url)) as connection:
            write(connection, *ledger.interleaved(Random(1), 400))
        yield url


@pytest.fixture
def ask(database: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Ask:
    """Run a `list`; what it prints, as a document with --json. Kafka is not there, and not asked."""
    for name in os.environ:
        if name.startswith("ENTITLEMENTS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("ENTITLEMENTS_POSTGRES", database)
    monkeypatch.setenv("ENTITLEMENTS_KAFKA", "127.0.0.1:1")
    monkeypatch.chdir(tmp_path)

    def asking(name: str, *arguments: str, status: int = 0, **_: Any) -> Any:
        organization = LISTS[name][0] if "-o" not in arguments else ""
        of = ("-o", organization) if organization else ()
        assert run([name, "list", *of, *arguments]) == status
        told = capsys.readouterr()
        return json.loads(told.out) if "--json" in arguments else (told.out, told.err)

    return asking


@pytest.mark.parametrize("name", LISTS)
def test_all_rows_are_those_of_the_pages_and_stand_in_the_table(ask: Ask, name: str) -> None:
    every = ask(name, "--all", "--json")
    assert every["items"]
    assert (every["next"], every["previous"]) == (None, None)
    rows: list[Any] = []
    page = ask(name, "--limit", "2", "--json")
    while True:
        rows += page["items"]
        if page["next"] is None:
            break
        page = ask(name, "--limit", "2", "--cursor", page["next"], "--json")
    assert rows == every["items"]
    table, _ = ask(name, "--all")
    column = LISTS[name][1]
    if name != "usage":
        assert all(str(row[column]) in table for row in rows)


def test_a_table_says_that_more_follow(ask: Ask) -> None:
    table, said = ask("pool", "--limit", "2")
    assert said.startswith("2 pools shown, there are more. All: --all. Next page: --cursor ")
    cursor = said.split()[-1]
    assert ask("pool", "--limit", "2", "--cursor", cursor)[0] != table
    assert ask("pool", "--all")[1] == ""
    assert ask("pool", "--status", "closed", "--customer", "nobody") == ("", "No pools.\n")
    assert "unknown_organization" in ask("pool", "-o", "nobody", status=1)[1]


@pytest.mark.parametrize("width", [20, 80, 400])
def test_ids_are_never_cut_or_folded(ask: Ask, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setattr(output, "width_of", lambda _: width)
    table, _ = ask("provision", "-o", "long")
    assert f"pool-{LONG}" in table
    assert f"plan-{LONG}" in table
    assert f"pool-{LONG}" in ask("pool", "-o", "long")[0]


def test_filters(ask: Ask) -> None:
    assert {row["status"] for row in ask("provision", "--status", "ended", "--all", "--json")["items"]} == {"ended"}
    pools = ask("pool", "--all", "--json")["items"]
    shown = ask("provision", "--pool", pools[0]["pool_id"], "--all", "--json")["items"]
    assert {row["pool_id"] for row in shown} == {pools[0]["pool_id"]}
    assert ask("usage", "--since", "2099-01-01T00:00:00Z", "--json")["items"] == []
    assert ask("usage", "--until", "1d", "--json")["items"]
    newest, versions = (ask("set", *more, "--all", "--json")["items"] for more in ((), ("--versions",)))
    assert [row for row in versions if row["is_newest"]] == newest != versions


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--limit", "0"), "invalid_request"),
        (("--limit", "1001"), "invalid_request"),
        (("--all", "--cursor", "x"), "invalid_request"),
        (("--cursor", "x"), "invalid_cursor"),
        (("--status", "opne"), "invalid_request"),
        (("--since", "yesterday"), "invalid_instant"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(ask: Ask, arguments: tuple[str, ...], code: str) -> None:
    assert ask("pool", *arguments, "--json", status=2)["error"]["code"] == code


def test_a_cursor_of_another_organization_is_refused(ask: Ask) -> None:
    cursor = ask("provision", "--limit", "1", "--json")["next"]
    told = ask("provision", "-o", "org-0", "--cursor", cursor, "--json", status=2)
    assert told["error"]["code"] == "invalid_cursor"


def test_what_a_customer_has_is_shown_by_its_id(ask: Ask, capsys: pytest.CaptureFixture[str]) -> None:
    (customer, *_) = [row for row in ask("customer", "--all", "--json")["items"] if row["pool_ids"]]
    assert run(["customer", "show", customer["customer_id"], "-o", "acme", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["customer_id"], shown["organization_id"]) == (customer["customer_id"], "acme")
    assert {pool["pool_id"] for pool in shown["pools"]} == set(customer["pool_ids"])
