"""The command line against a running installation: `entitlements up` in one terminal, commands in another."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.request import Request, urlopen

import pytest

from entitlements import testing
from entitlements.cli.running import run
from entitlements.ledger.topics import create_topics
from entitlements.settings import Settings
from entitlements.wiring import addresses
from entitlements_projections.migrations import migrate

pytestmark = pytest.mark.timeout(180)

Ask: TypeAlias = Callable[..., Any]
READY_WITHIN_FOR = 90.0


def without_addresses(environment: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.startswith("ENTITLEMENTS_")}


@contextmanager
def up(folder: Path, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """`entitlements up` as a process of its own, told to stop at the end."""
    command = [sys.executable, "-m", "entitlements.cli", "up", "--data", str(folder), "--json"]
    environment = without_addresses(dict(os.environ)) | variables
    with (
        (folder.parent / "up.err").open("wb") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture(scope="module")
def installed(
    kafka: str, postgres: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, dict[str, Any]]]:
    """An installation on the servers of the session, under names of its own; commands know only its folder."""
    folder = tmp_path_factory.mktemp("up") / "data"
    with testing.a_database(postgres) as database:
        names = {"KAFKA": kafka, "POSTGRES": database, "TOPIC_PREFIX": testing.unique_prefix(), "PARTITIONS": "2"}
        more = {"REGISTRY_PORT": "0", "SESSION_TIMEOUT_FOR": "6"}
        with up(folder, **{f"ENTITLEMENTS_{name}": value for name, value in (names | more).items()}) as process:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said, (folder.parent / "up.err").read_text()[-2000:]
            yield folder, json.loads(said)
        assert process.returncode == 0


@pytest.fixture
def ask(
    installed: tuple[Path, dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Ask:
    """Run a command with --json and give its document; `status` is what it must exit with."""
    for name in set(os.environ) - set(without_addresses(dict(os.environ))):
        monkeypatch.delenv(name)
    monkeypatch.setenv("ENTITLEMENTS_DATA", str(installed[0]))
    monkeypatch.chdir(tmp_path)

    def asked(*arguments: str, status: int = 0) -> Any:
        capsys.readouterr()
        got = run([*arguments, "--json"])
        shown = capsys.readouterr()
        assert got == status, shown.out + shown.err
        return json.loads(shown.out)

    return asked


@pytest.fixture
def define_plans(ask: Ask, tmp_path: Path, installed: tuple[Path, dict[str, Any]]) -> None:
    """The examples as files, and defined once."""
    for name in ("free", "pro"):
        (tmp_path / f"{name}.yaml").write_text(json.dumps(ask("set", "example", name)))
        if name not in installed[1]:
            installed[1][name] = ask("set", "define", f"{name}.yaml")


@pytest.fixture
def pool(ask: Ask, define_plans: None) -> str:
    """A pool on the free plan (50 api_calls a day) with the workspace ws-<pool>."""
    name = testing.unique_prefix().strip(".")
    ask("pool", "open", name, "--organization", "acme", "--no-wait")
    ask("provision", "add", name, "free", "--id", "sub", "--no-wait")
    ask("assign", name, f"ws-{name}")
    return name


def test_a_newcomer_gets_from_a_plan_to_a_dashboard(ask: Ask, pool: str) -> None:
    workspace = f"ws-{pool}"
    assert ask("usage", "record", "api_calls", "3", "--customer", workspace)["pool_id"] == pool
    assert ask("usage", "record", "api_calls", "48", "--customer", workspace, status=1)["error"]["remaining"] == 47
    assert (
        ask("usage", "record", "bandwidth_bytes", "2000000000", "--customer", workspace, "--report")["visible"] is True
    )
    shown = {row["resource_key"]: row for row in ask("customer", "show", workspace)["entitlements"]}
    assert [(row["consumed"], row["effective_limit"], row["status"]) for row in shown.values()] == [
        (3, 50, "OK"),
        (2_000_000_000, 1_000_000_000, "OVERAGE"),
        (None, None, "ACTIVE"),
    ]
    answer = ask("check", "api_calls", "--customer", workspace, "--quantity", "47")
    assert (answer["allowed"], answer["remaining"], answer["pool_id"]) == (True, 47, pool)
    assert answer["provision_ids"] == ["sub"]
    assert answer["resets_at"].endswith("T00:00:00Z")
    assert answer["as_of"]["offset"] >= 0
    assert ask("check", "api_calls", "--customer", workspace, "--quantity", "48")["allowed"] is False
    assert ask("check", "seats", "--customer", workspace)["reason_code"] == "not_entitled"
    assert ask("pool", "show", pool)["assignments"][0]["customer_id"] == workspace


def test_check_says_who_would_bear_it_and_pool_show_what_was_said_by_hand(
    ask: Ask, pool: str, installed: tuple[Path, dict[str, Any]]
) -> None:
    workspace, calls = f"ws-{pool}", "resource_key=api_calls"
    ask("usage", "record", "api_calls", "45", "--customer", workspace)
    price = ("unit_price=3", "price_per=1", "spending_cap=30", "currency=EUR")
    ask("send", "ConfigureOnDemand", f"pool_id={pool}", calls, "enabled=true", *price, "--no-wait")
    cap = ("send", "CapMember", f"pool_id={pool}", f"workspace_id={workspace}", calls)
    ask(*cap, "subject_id=ann", "amount=9", "--no-wait")
    said = ("allowed=true", "amount=40", "reason=asked for", f"workspace_id={workspace}")
    ask("send", "SetOverride", f"pool_id={pool}", "override_id=o", calls, *said, "--actor", "ops")

    def check(quantity: int, *more: str) -> Any:
        return ask("check", "api_calls", "--customer", workspace, "--quantity", str(quantity), *more)

    answer = check(12)
    assert (answer["allowed"], answer["remaining"]) == (True, 15)
    assert answer["left"] == {"included": 5, "by_credits": 0, "on_demand": 10, "as_overage": 0}
    assert (answer["charged_to"]["included"], answer["charged_to"]["on_demand"], answer["charged_to"]["charge"]) == (
        5,
        7,
        21,
    )
    assert [answer["override"][name] for name in ("of", "override_id", "actor", "reason")] == [
        "customer", "o", "ops", "asked for",
    ]  # fmt: skip
    assert check(16)["reason_code"] == "quota_exceeded"
    key = ask("api-key", "create", "--organization", "acme")["api_key"]
    for quantity in (12, 16):
        question = {"customer_id": workspace, "resource_key": "api_calls", "quantity": quantity}
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        request = Request(f"{installed[1]['api']}/v1/check", json.dumps(question).encode(), headers)
        with urlopen(request) as over_http:
            assert json.load(over_http)["sentence"] == check(quantity)["sentence"]
    for_ann = check(12, "--subject", "ann")
    assert (for_ann["reason_code"], for_ann["remaining"]) == ("member_cap_reached", 9)
    assert [(cap["of"], cap["amount"], cap["left"]) for cap in for_ann["caps"]] == [
        ("customer", 40, 40), ("subject", 9, 9),
    ]  # fmt: skip
    shown = ask("pool", "show", pool)
    assert [(row["override_id"], row["reason"], row["actor"]) for row in shown["overrides"]] == [
        ("o", "asked for", "ops")
    ]
    assert [(row["subject_id"], row["amount"], row["drawn"]) for row in shown["caps"]] == [("ann", 9, 0)]
    assert [(row["spending_cap"], row["spent"]) for row in shown["on_demand"]] == [(30, 0)]


def test_a_ladder_is_defined_shown_and_kept_to(ask: Ask, pool: str, tmp_path: Path) -> None:
    name = f"tiers-{pool}"
    rung = {
        "ladder": name,
        "rules": [{"resource_key": "api_calls", "rule_type": "quota", "amount": 5, "period": "day"}],
    }
    files = {"first": {"rung": 1}, "second": {"rung": 2}, "third": {"rung": 3}}
    for file, more in files.items():
        (tmp_path / f"{file}.yaml").write_text(json.dumps(rung | more | {"set_id": f"{file}-{pool}"}))
    assert ask("set", "define", "first.yaml")["ladder_defined"] == name, "a typo is seen"
    assert ask("set", "define", "first.yaml")["ladder_defined"] is None
    rungs = [{"rung": 1, "name": "Low"}, {"rung": 2, "name": "High"}]
    (tmp_path / "ladder.yaml").write_text(json.dumps({"ladder": name, "name": "Tiers", "rungs": rungs}))
    assert ask("ladder", "define", "ladder.yaml")["rungs"] == rungs
    assert ask("set", "define", "second.yaml")["ladder_defined"] is None
    assert ask("set", "define", "third.yaml", status=1)["error"]["code"] == "unknown_rung"
    shown = ask("ladder", "show", name)
    assert (shown["is_defined"], [each["rung"] for each in shown["sets"]]) == (True, [1, 2])
    assert (shown["retired_rungs"], name in [each["ladder"] for each in ask("ladder", "list")["ladders"]]) == ([], True)
    assert ask("ladder", "show", "nobody", status=1)["error"]["code"] == "unknown_ladder"
    ask("provision", "end", pool, "sub", "--when", "now", "--no-wait")
    ask("provision", "add", pool, f"first-{pool}", "--id", "s1", "--no-wait")
    change = ("send", "ChangePlan", f"pool_id={pool}", "provision_id=s2", "source=subscription", f"set=second-{pool}")
    assert ask(*change, "ladder=plnas", status=1)["error"]["code"] == "ladder_mismatch"
    ask(*change)
    (active,) = [row for row in ask("pool", "show", pool)["provisions"] if row["status"] == "active"]
    assert (active["ladder"], active["rung"]) == (name, 2)
    (tmp_path / "ladder.yaml").write_text(json.dumps({"ladder": name, "name": "Tiers", "rungs": rungs[1:]}))
    ask("ladder", "define", "ladder.yaml")
    assert ask("ladder", "show", name)["retired_rungs"] == [1]


def test_plans_grants_and_pools_come_and_go(ask: Ask, pool: str) -> None:
    assert ask("provision", "add", pool, "pro", status=1)["error"]["code"] == "ladder_is_occupied"
    ask("provision", "end", pool, "sub", "--when", "now", "--reason", "upgrade")
    bought = ask("provision", "add", pool, "pro", "--quantity", "2", "--source", "purchase")
    ask("usage", "record", "seats", "3", "--pool", pool)
    ask("usage", "release", "seats", "1", "--pool", pool)
    seats = next(row for row in ask("pool", "show", pool)["entitlements"] if row["resource_key"] == "seats")
    assert (seats["consumed"], seats["effective_limit"]) == (2, 10)
    ask("provision", "suspend", pool, bought["provision_id"])
    assert ask("check", "seats", "--pool", pool)["allowed"] is False
    assert ask("check", "seats", "--pool", pool)["reason_code"] == "provision_suspended"
    ask("provision", "resume", pool, bought["provision_id"])
    without = ask("provision", "cancel", pool, bought["provision_id"], status=1)
    assert without["error"]["code"] == "no_billing_period"
    ask("provision", "end", pool, bought["provision_id"], "--when", "2099-01-01T00:00:00Z")
    (cancelled,) = [row for row in ask("pool", "show", pool)["provisions"] if row["status"] == "active"]
    assert (cancelled["ends_at"], cancelled["planned_ends_at"]) == ("2099-01-01T00:00:00Z", None)
    ask("provision", "uncancel", pool, bought["provision_id"], "--reason", "stays")
    ask("provision", "end", pool, bought["provision_id"], "--when", "now")
    monthly = ask("provision", "add", pool, "pro", "--billing-period", "month")["provision_id"]
    ask("provision", "cancel", pool, monthly)
    (cancelled,) = [row for row in ask("pool", "show", pool)["provisions"] if row["status"] == "active"]
    assert (cancelled["provision_id"], cancelled["ends_at"] is None) == (monthly, False)
    ask("provision", "end", pool, monthly, "--when", "now")
    ask(
        "grant",
        "issue",
        pool,
        "pro",
        "--id",
        "g1",
        "--reason",
        "trial",
        "--actor",
        "jane",
        "--until",
        "2099-01-01T00:00:00Z",
    )
    assert ask("check", "premium_analytics", "--pool", pool)["allowed"] is True
    ask("grant", "revoke", pool, "g1", "--reason", "enough", "--actor", "jane")
    assert ask("check", "premium_analytics", "--pool", pool)["allowed"] is False
    ask("pool", "suspend", pool, "--reason", "overdue")
    assert ask("pool", "show", pool)["status"] == "suspended"
    ask("pool", "resume", pool)
    ask("unassign", pool, f"ws-{pool}")
    ask("pool", "close", pool)
    assert ask("usage", "record", "api_calls", "1", "--pool", pool, status=1)["error"]["code"] == "pool_is_closed"


@pytest.fixture
def typed(ask: Ask, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Run a command as people do; what is printed, both streams."""

    def shown(*arguments: str, status: int = 0) -> str:
        capsys.readouterr()
        got = run(arguments)
        both = capsys.readouterr()
        assert got == status, both.out + both.err
        return both.out + both.err

    return shown


def test_what_the_terminal_shows_is_enough_to_go_on(ask: Ask, pool: str, typed: Callable[..., str]) -> None:
    said = typed("usage", "record", "api_calls", "7", "--pool", pool)
    usage_id = said.rpartition("Usage id: ")[2].strip()
    assert usage_id in typed("usage", "list", "--organization", "acme", "--pool", pool)
    ask("send", "ReverseUsage", f"pool_id={pool}", f"usage_id={usage_id}", "reason=a mistake")
    (calls,) = [row for row in ask("pool", "show", pool)["entitlements"] if row["resource_key"] == "api_calls"]
    assert calls["consumed"] == 0
    changed = typed(
        "send", "ChangePlan", f"pool_id={pool}", "set=pro", "provision_id=sub-2", "source=subscription", "when=now"
    )
    assert re.fullmatch(rf"Pool {pool} changed from free v\d+ to pro v\d+ at 20\S+Z\.\n", changed)
    typed("usage", "record", "seats", "3", "--pool", pool)
    of_seats = typed("usage", "record", "seats", "3", "--pool", pool, status=1)
    assert "Use less, release some with `entitlements usage release`, or upgrade the plan." in of_seats
    typed("usage", "record", "seats", "2", "--pool", pool)
    of_none = typed("usage", "record", "seats", "3", "--pool", pool, status=1)
    assert "remaining" in of_none
    assert "Release some with `entitlements usage release` or upgrade the plan." in of_none
    typed("usage", "record", "api_calls", "1000", "--pool", pool)
    of_quota = typed("usage", "record", "api_calls", "1", "--pool", pool, status=1)
    assert "Wait for the reset or upgrade the plan." in of_quota


def test_a_typing_error_is_not_answered_as_empty(ask: Ask, pool: str, typed: Callable[..., str]) -> None:
    assert ask("grant", "list", "--organization", "nosuch", status=1)["error"]["code"] == "unknown_organization"
    assert "No grants." in typed("grant", "list", "--organization", "acme", "--pool", pool)
    assert ask("progress", "nope", status=1)["error"]["code"] == "unknown_set"
    assert ask("progress", "free")["campaigns"] == []
    assert f"Customer ws-77 does not use pool {pool}." in typed("unassign", pool, "ws-77")
    assert f"Customer ws-{pool} no longer uses pool {pool}." in typed("unassign", pool, f"ws-{pool}")
    assert f"Customer ws-{pool} does not use pool {pool}." in typed("unassign", pool, f"ws-{pool}")


def test_the_organization_of_the_environment_counts_where_a_pool_is_named(
    ask: Ask, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTITLEMENTS_ORGANIZATION", "rival")
    refused = [
        ask("pool", "show", pool, status=1),
        ask("pool", "suspend", pool, status=1),
        ask("provision", "add", pool, "free", status=1),
        ask("grant", "issue", pool, "free", "--reason", "r", "--actor", "ann", status=1),
        ask("assign", pool, "ws-1", status=1),
        ask("usage", "record", "api_calls", "1", "--pool", pool, status=1),
        ask("check", "api_calls", "--pool", pool, status=1),
        ask("send", "SuspendPool", f"pool_id={pool}", status=1),
    ]
    for document in refused:
        assert document["error"]["code"] == "unknown_pool"
        assert "ENTITLEMENTS_ORGANIZATION" in document["error"]["advice"]
    assert ask("usage", "record", "api_calls", "1", "--pool", pool, "--organization", "acme")["pool_id"] == pool
    monkeypatch.setenv("ENTITLEMENTS_ORGANIZATION", "acme")
    assert ask("pool", "show", pool)["status"] == "open"


def test_usage_goes_to_the_primary_pool_then_to_others_and_is_never_split(ask: Ask, pool: str) -> None:
    workspace, second = f"ws-{pool}", f"{pool}-second"
    ask("pool", "open", second, "--organization", "acme")
    ask("provision", "add", second, "free")
    ask("assign", second, workspace, "--secondary")
    assert ask("usage", "record", "api_calls", "30", "--customer", workspace)["pool_id"] == pool
    assert ask("usage", "record", "api_calls", "30", "--customer", workspace, status=1)["error"]["pool_id"] == pool
    ask("assign", pool, workspace, "--overflow")
    assert ask("usage", "record", "api_calls", "30", "--customer", workspace)["pool_id"] == second
    assert ask("usage", "record", "api_calls", "30", "--customer", workspace, status=1)["error"]["remaining"] == 20
    assert ask("usage", "record", "api_calls", "20", "--customer", workspace)["pool_id"] == pool


def test_usage_of_an_id_counts_once_in_whichever_pool_took_it(ask: Ask, pool: str) -> None:
    """The first pool has room again, or is another one by now: a repeat is still found where it was."""
    second, workspace = f"{pool}-2", f"ws-{pool}"
    ask("pool", "open", second, "--organization", "acme", "--no-wait")
    ask("provision", "add", second, "free", "--no-wait")
    ask("assign", second, workspace, "--secondary", "--no-wait")
    ask("assign", pool, workspace, "--overflow")
    use = ("usage", "record", "api_calls", "7", "--customer", workspace)
    ask("usage", "record", "api_calls", "50", "--pool", pool, "--customer", workspace, "--id", "fill")
    assert ask(*use, "--id", "strict")["pool_id"] == second
    assert ask(*use, "--id", "reported", "--report")["pool_id"] == pool
    row = f"row,{datetime.now(UTC).isoformat()},{workspace},1"
    Path("moved.csv").write_text(f"usage_id,occurred_at,customer_id,bytes\n{row}\n")
    ask("send", "ReverseUsage", f"pool_id={pool}", "usage_id=fill", "reason=x")
    assert ask("usage", "import", "moved.csv")["accepted"] == 1
    ask("unassign", pool, workspace, "--no-wait")
    ask("assign", second, workspace)
    for name, how, took in (("strict", (), second), ("reported", ("--report",), pool)):
        again = ask(*use, "--id", name, *how)
        assert (again["pool_id"], again["repeated"]) == (took, True), name
    again = ask("usage", "import", "moved.csv")
    assert (again["accepted"], again["repeated"]) == (0, 1)
    assert ask(*use, "--id", "another")["pool_id"] == second
    rows = [ask("pool", "show", each)["entitlements"] for each in (pool, second)]
    assert [row["consumed"] for each in rows for row in each if row["resource_key"] == "api_calls"] == [8, 14]


def test_customers_of_one_id_in_two_organizations_are_two_and_nobody_guesses_which(
    ask: Ask, pool: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, theirs = f"ws-{pool}", f"{pool}-rival"
    ask("pool", "open", theirs, "--organization", "rival", "--no-wait")
    ask("provision", "add", theirs, "free", "--id", "sub", "--no-wait")
    ask("assign", theirs, workspace)
    Path("rows.csv").write_text(f"usage_id,occurred_at,customer_id,bytes\nu,2015-05-17T10:05:00Z,{workspace},1\n")
    using, checking = ("usage", "record", "api_calls", "1"), ("check", "api_calls")
    for command in (using, ("usage", "release", "api_calls", "1"), checking):
        assert_ambiguous(ask(*command, "--customer", workspace, status=2), workspace)
    assert_ambiguous(ask("customer", "show", workspace, status=2), workspace)
    assert_ambiguous(ask("usage", "import", "rows.csv", status=2), workspace)
    for organization, pool_id, quantity in (("acme", pool, "3"), ("rival", theirs, "5")):
        named = ("--customer", workspace, "--organization", organization)
        assert ask("usage", "record", "api_calls", quantity, *named)["pool_id"] == pool_id
        answer = ask(*checking, *named)
        assert (answer["pool_id"], answer["role"], answer["consumed"]) == (pool_id, "primary", int(quantity))
        shown = ask("customer", "show", workspace, "--organization", organization)
        assert (shown["organization_id"], shown["entitlements"][0]["consumed"]) == (organization, int(quantity))
        assert [(row["pool_id"], row["role"]) for row in shown["pools"]] == [(pool_id, "primary")]
    assert ask(*checking, "--customer", workspace, "--pool", theirs)["consumed"] == 5, "the pool says whose"
    monkeypatch.setenv("ENTITLEMENTS_ORGANIZATION", "rival")
    assert ask(*using, "--customer", workspace)["pool_id"] == theirs
    assert ask("customer", "show", workspace)["organization_id"] == "rival"
    assert ask("api-key", "list") == ask("api-key", "list", "--organization", "rival")
    assert ask(*using, "--pool", pool, status=1)["error"]["code"] == "unknown_pool", "it is of acme"
    deadline, told = time.monotonic() + 30, list[Any]()
    while len(told) < 3 and time.monotonic() < deadline:
        told = ask("changes", "tail", "--from-beginning", "--no-follow", "--customer", workspace)["changes"]
    assert {change["organization_id"] for change in told} == {"rival"}
    assert {change["type"] for change in told} == {"entitlement.granted"}
    monkeypatch.setenv("ENTITLEMENTS_ORGANIZATION", "nobody")
    assert ask("customer", "show", workspace, status=1)["error"]["code"] == "unknown_customer"


def assert_ambiguous(refused: Any, customer_id: str) -> None:
    error = refused["error"]
    assert (error["code"], error["customer_id"]) == ("ambiguous_customer", customer_id)
    assert error["organizations"] == ["acme", "rival"]


REFUSED: Final = (
    ("unknown_pool", "pool show nobody"),
    ("unknown_pool", "usage record api_calls 1 --pool nobody"),
    ("unknown_pool", "assign nobody ws"),
    ("unknown_customer", "usage record api_calls 1 --customer nobody"),
    ("unknown_customer", "customer show nobody"),
    ("unknown_key", "usage record nothing 1 --pool POOL"),
    ("unknown_key", "check nothing --pool POOL"),
    ("unknown_set", "provision add POOL nothing"),
    ("unknown_set", "set show free --version 99"),
    ("unknown_provision", "provision end POOL nothing --when now"),
    ("key_is_not_metered", "usage record community_support 1 --pool POOL"),
    ("customer_is_not_assigned", "usage record api_calls 1 --pool POOL --customer stranger"),
    ("pool_already_exists", "pool open POOL --organization other"),
    ("invalid_command", "key define api_calls --type boolean"),
)


def test_what_does_not_exist_or_fit_is_refused_by_its_name(ask: Ask, pool: str) -> None:
    before = ask("pool", "show", pool)
    for code, line in REFUSED:
        assert ask(*line.replace("POOL", pool).split(), status=1)["error"]["code"] == code, line
    assert ask("pool", "show", pool)["entitlements"] == before["entitlements"]


def test_a_repeat_has_one_effect_and_another_body_is_an_error(ask: Ask, pool: str) -> None:
    again = ["pool", "suspend", pool, "--reason", "a", "--idempotency-key", "k1"]
    assert ask(*again)["repeated"] is False
    assert ask(*again)["repeated"] is True
    other = ask(*again[:4], "b", *again[5:], status=1)
    assert other["error"]["code"] == "idempotency_key_reused"
    ask("pool", "resume", pool)
    usage = ["usage", "record", "api_calls", "5", "--pool", pool, "--id", "request-1"]
    assert [ask(*usage)["repeated"], ask(*usage)["repeated"]] == [False, True]
    assert ask("check", "api_calls", "--pool", pool)["consumed"] == 5


def test_a_set_that_is_defined_again_gets_a_version_only_when_it_differs(ask: Ask, pool: str) -> None:
    assert ask("set", "define", "free.yaml")["is_new"] is False
    # Beside the plan that the pool has: on no ladder.
    gold = json.loads(Path("free.yaml").read_text()) | {"set_id": "gold", "ladder": None, "rung": None}
    for version, amount in ((1, 70), (2, 90)):
        gold["rules"][0]["amount"] = amount
        Path("gold.yaml").write_text(json.dumps(gold))
        assert ask("set", "define", "gold.yaml")["set_version"] == version
        given = ask(
            "grant", "issue", pool, "gold", "--reason", "sorry", "--actor", "jane", "--idempotency-key", "gold-once"
        )
        added = ask("provision", "add", pool, "gold", "--id", "gold", "--idempotency-key", "gold-too")
        for said in (given, added):
            assert (said["repeated"], said.get("set_version")) == ((False, 1) if version == 1 else (True, None))
    assert [ask("set", "show", "gold", "--version", str(n))["rules"][0]["amount"] for n in (1, 2)] == [70, 90]
    Path("unknown.yaml").write_text("set_id: u\nrules: [{resource_key: never_defined, rule_type: boolean}]\n")
    assert ask("set", "define", "unknown.yaml", status=1)["error"]["code"] == "unknown_key"


def test_a_set_that_extends_is_resolved_and_says_where_each_rule_came_from(ask: Ask, define_plans: None) -> None:
    def define(set_id: str, status: int = 0, **facts: Any) -> Any:
        Path("set.yaml").write_text(json.dumps({"set_id": set_id} | facts))
        return ask("set", "define", "set.yaml", status=status)

    calls = {"resource_key": "api_calls", "rule_type": "quota", "amount": 100, "soft_limit": 80, "period": "day"}
    sso = {"resource_key": "sso", "rule_type": "boolean"}
    define("x-base", keys={"sso": {"data_type": "boolean"}}, rules=[calls, sso])
    more = {"resource_key": "api_calls", "amount": 500}
    team = define("x-team", extends=["x-base"], rules=[more])
    assert (team["set_version"], team["extends"]) == (1, [{"set_id": "x-base", "version": 1}])
    shown = ask("set", "show", "x-team")
    rules = {rule["resource_key"]: rule for rule in shown["rules"]}
    assert [rules["api_calls"][name] for name in ("amount", "soft_limit", "period")] == [500, 80, "day"]
    assert shown["sources"] == {"api_calls": ["x-base", "x-team"], "sso": ["x-base"]}
    assert define("x-base", rules=[calls | {"soft_limit": 90}, sso])["behind"] == ["x-team"]
    assert {rule["resource_key"] for rule in ask("set", "show", "x-team")["rules"]} == {"api_calls", "sso"}
    assert define("x-team", extends=["x-base"], rules=[more])["extends"] == [{"set_id": "x-base", "version": 2}]
    assert [rule["soft_limit"] for rule in ask("set", "show", "x-team")["rules"]] == [90, None]
    assert define("x-team", extends=["x-base"], rules=[more])["is_new"] is False
    assert define("x-base", rules=[calls | {"soft_limit": 90}, sso])["behind"] == []
    assert [row["set_id"] for row in ask("set", "show", "x-base")["extended_by"]] == ["x-team"]
    added = define("x-bundle", extends=["x-team", "x-base"], inheritance="additive", rules=[more])
    assert added["set_version"] == 1
    assert ask("set", "show", "x-bundle")["rules"][0]["amount"] == 1000

    def refused(set_id: str, **facts: Any) -> tuple[str, str]:
        error = define(set_id, status=1, **facts)["error"]
        return error["code"], error["message"]

    assert refused("x-base", extends=["x-bundle"]) == (
        "inheritance_cycle",
        "The definition would inherit from itself: x-base -> x-bundle -> x-team -> x-base.",
    )
    assert refused("x-new", extends=["x-none"])[0] == "unknown_parent"
    monthly = calls | {"period": "month"}
    assert refused("x-new", extends=["x-base"], inheritance="additive", rules=[monthly])[0] == "parents_disagree"


def test_a_key_is_defined_by_its_document_and_grants_what_it_inherits_from(ask: Ask, pool: str) -> None:
    workspace, basic, premium = f"ws-{pool}", f"basic-{pool}", f"premium-{pool}"

    def check(key: str, *more: str) -> tuple[bool, str]:
        answer = ask("check", key, "--customer", workspace, *more)
        return answer["allowed"], answer["reason_code"]

    document = {
        "entitlement_id": premium, "name": "Premium Analytics Access", "type": "feature", "data_type": "boolean", "default_value": False,
        "inheritance_rules": {"inherits_from": [basic], "override_policy": "child_wins"},
        "usage_tracking": {"enabled": True, "reset_period": "monthly", "soft_limit": 1000, "hard_limit": 1200},
        "constraints": {"geographic_restrictions": ["EU", "US"], "time_restrictions": {"start_date": "2024-01-01T00:00:00Z"}},
    }  # fmt: skip
    Path("premium.json").write_text(json.dumps(document))
    assert ask("key", "define", "--file", "premium.json")["warnings"] == [f"{basic} is not defined yet."]
    assert ask("key", "define", basic, "--type", "boolean")["warnings"] == []
    assert ask("key", "define", premium, "--type", "boolean", "--name", "Premium")["warnings"] == []
    shown = ask("key", "show", premium)
    assert (shown["name"], shown["inherits_from"], shown["override_policy"]) == ("Premium", [basic], "child_wins")
    assert check(basic) == (False, "not_entitled")

    Path("set.yaml").write_text(
        json.dumps({"set_id": premium, "rules": [{"resource_key": premium, "rule_type": "boolean"}]})
    )
    ask("set", "define", "set.yaml")
    ask("provision", "add", pool, premium)
    assert check(premium) == check(basic) == (False, "country_unknown")
    assert check(premium, "--country", "DE")[0] is True
    assert check(premium, "--country", "GB") == (False, "country_not_allowed")
    answer = ask("check", basic, "--customer", workspace, "--country", "DE")
    assert (answer["allowed"], answer["reason_code"], answer["inherited_from"]) == (True, "inherited", [premium])
    assert answer["sentence"] == f"{basic} is granted by {premium}."
    override = [f"override_id=o-{pool}", f"resource_key={basic}", "allowed=false", "reason=abuse"]
    ask("send", "SetOverride", f"pool_id={pool}", *override)
    assert check(basic, "--country", "DE") == (False, "overridden")

    Path("basic.json").write_text(
        json.dumps(document | {"entitlement_id": basic, "inheritance_rules": {"inherits_from": [premium]}})
    )
    error = ask("key", "define", "--file", "basic.json", status=1)["error"]
    assert (error["code"], f"{basic} -> {premium} -> {basic}" in error["message"]) == ("inheritance_cycle", True)
    Path("wrong.json").write_text(json.dumps(document | {"colour": "blue"}))
    assert "colour" in ask("key", "define", "--file", "wrong.json", status=2)["error"]["message"]


def test_a_pool_is_opened_with_what_the_definition_of_a_key_says(ask: Ask, define_plans: None) -> None:
    name = testing.unique_prefix().strip(".")
    tracking = {"reset_period": "weekly", "soft_limit": 2}
    document = {
        "entitlement_id": name,
        "type": "quota",
        "data_type": "integer",
        "default_value": 3,
        "usage_tracking": tracking,
    }
    Path("key.json").write_text(json.dumps(document))
    ask("key", "define", "--file", "key.json", "--unit", "call")
    ask("pool", "open", name, "--organization", "acme", "--default", name)
    answer = ask("check", name, "--pool", name)
    assert (answer["allowed"], answer["limit"], answer["period"]) == (True, 3, "week")
    error = ask("pool", "open", "another", "--organization", "acme", "--default", "api_calls", status=1)["error"]
    assert error["code"] == "unknown_key"


def test_a_file_that_is_imported_twice_counts_once(ask: Ask, pool: str) -> None:
    at = ["--effective-at", "2015-05-17T00:00:00Z"]
    ask("pool", "open", "history", "--organization", "acme", "--backfill-from", "2015-05-17T00:00:00Z")
    ask("provision", "add", "history", "free", *at)
    ask("assign", "history", "old", *at)
    days = ("17", "18", "21")
    rows = [f"u{day}-{n},2015-05-{day}T10:05:{n:02}Z,old,100" for day in days for n in range(60)]
    Path("usage.csv").write_text("usage_id,occurred_at,customer_id,bytes\n" + "\n".join(rows) + "\n")
    first, second = ask("usage", "import", "usage.csv"), ask("usage", "import", "usage.csv")
    assert (first["rows"], first["accepted"], first["refused_by_code"]) == (180, 150, {"quota_exceeded": 30})
    assert (second["accepted"], second["refused"], second["repeated"]) == (0, 0, 180)
    shown = {row["resource_key"]: row["consumed"] for row in ask("customer", "show", "old")["entitlements"]}
    assert (shown["api_calls"], shown["bandwidth_bytes"]) == (50, 18_000)
    Path("strangers.csv").write_text("usage_id,occurred_at,customer_id,bytes\nu,2015-05-17T10:05:00Z,stranger,1\n")
    assert ask("usage", "import", "strangers.csv", status=1)["error"]["code"] == "unknown_customer"
    now = datetime.now(UTC).isoformat()
    Path("now.csv").write_text(f"usage_id,occurred_at,customer_id,bytes\nu,{now},ws-{pool},1\n")
    assert ask("usage", "import", "now.csv")["accepted"] == 1, "a pool that is not in backfill decides it now"


def test_changes_are_told_and_a_plain_reader_of_the_registry_finds_them(
    ask: Ask, pool: str, installed: tuple[Path, dict[str, Any]]
) -> None:
    deadline = time.monotonic() + 60
    granted: list[str] = []
    while len(granted) < 3 and time.monotonic() < deadline:
        told = ask("changes", "tail", "--from-beginning", "--no-follow", "--customer", f"ws-{pool}")["changes"]
        granted = [change["resource_key"] for change in told if change["type"] == "entitlement.granted"]
    assert sorted(granted) == ["api_calls", "bandwidth_bytes", "community_support"]
    with urlopen(f"{installed[1]['registry']}/subjects") as answer:
        subjects = json.load(answer)
    assert any("EntitlementGranted" in subject for subject in subjects)
    assert any("CustomerKey" in subject for subject in subjects)


def test_the_read_models_equal_what_the_log_says_and_can_be_replaced(ask: Ask, pool: str) -> None:
    assert ask("read-models", "rebuild", "--compare-only")["equal"] is True
    rebuilt = ask("read-models", "rebuild")
    assert (rebuilt["equal"], rebuilt["swapped"]) == (True, True)
    assert ask("usage", "record", "api_calls", "1", "--pool", pool)["visible"] is True


def test_a_changed_set_is_previewed_over_what_really_happened(ask: Ask, pool: str, tmp_path: Path) -> None:
    ask("usage", "record", "api_calls", "40", "--pool", pool)
    ask("usage", "record", "api_calls", "30", "--pool", pool, status=1)
    plan = ask("set", "example", "free")
    for rule in plan["rules"]:
        rule.update({"amount": 60} if rule["resource_key"] == "api_calls" else {})
    (tmp_path / "changed.yaml").write_text(json.dumps(plan))
    found = ask("scenario", "preview", "--set", "changed.yaml", "--pool", pool)
    (outcome,) = found["outcomes"]
    assert (found["pools"], outcome["pool_id"], outcome["resource_key"]) == (1, pool, "api_calls")
    assert (outcome["gains"], outcome["loses"]) == (True, False)
    assert (outcome["before"]["limit"], outcome["after"]["limit"]) == (50, 60)
    assert (outcome["before"]["refused"], outcome["after"]["refused"]) == (30, 30)
    (tmp_path / "same.yaml").write_text(json.dumps(ask("set", "example", "free")))
    assert ask("scenario", "preview", "--set", "same.yaml")["outcomes"] == []


def test_what_follows_a_set_a_campaign_and_a_unit_comes_by_itself(ask: Ask, pool: str, tmp_path: Path) -> None:
    def defined(amount: int) -> None:
        rules = [{"resource_key": "api_calls", "rule_type": "quota", "period": "day", "amount": amount}]
        (tmp_path / "add-on.yaml").write_text(json.dumps({"set_id": "add-on", "rules": rules}))
        ask("set", "define", "add-on.yaml")

    def limit() -> int:
        rows = ask("pool", "show", pool)["entitlements"]
        return next(row["effective_limit"] for row in rows if row["resource_key"] == "api_calls")

    defined(10)
    ask("provision", "add", pool, "add-on", "--id", "extra", "--source", "purchase", "--follow")
    assert limit() == 60
    defined(25)
    (row,) = ask("progress", "add-on", "--watch")["sets"]
    assert (row["following"], row["done"], limit()) == (1, 1, 75)

    ends_at = "2099-01-01T00:00:00Z"
    ask("send", "DefineCampaign", "campaign_id=c", "set=add-on", f"ends_at={ends_at}", "reason=spring")
    ask("send", "ChangeCampaignPools", "campaign_id=c", f"add=[{pool}]")
    ask("send", "ActivateCampaign", "campaign_id=c")
    _until(lambda: limit() == 100)

    ask("send", "DefineUnit", "organization_id=acme", "unit_id=sales")
    ask("send", "AssignUnit", "organization_id=acme", "unit_id=sales", f"pool_id={pool}", "role=secondary")
    ask("send", "PlaceWorkspace", "organization_id=acme", "unit_id=sales", "workspace_id=ws-unit")
    _until(lambda: "ws-unit" in {row["customer_id"] for row in ask("pool", "show", pool)["assignments"]})


def test_a_policy_is_defined_listed_shown_and_retired(ask: Ask, tmp_path: Path) -> None:
    organization = f"org-{testing.unique_prefix().strip('.')}"
    policy = {
        "policy_id": "nights",
        "effect": "DENY",
        "temporal": {"from": "22:00", "until": "06:00"},
        "reason": "we sleep",
    }
    (tmp_path / "policies.json").write_text(
        json.dumps({"policies": [policy, {"policy_id": "beta", "effect": "ALLOW"}]})
    )
    for repeated in (False, True):
        defined = ask("policy", "define", "policies.json", "-o", organization)["policies"]
        assert [(one["policy_id"], one["repeated"]) for one in defined] == [("nights", repeated), ("beta", repeated)]
    listed = ask("policy", "list", "-o", organization)
    assert [one["policy_id"] for one in listed["items"]] == ["nights", "beta"]
    shown = ask("policy", "show", "nights", "-o", organization)
    assert (shown["document"], shown["policy_version"]) == (policy, 1)
    assert ask("policy", "retire", "beta", "-o", organization, "--reason", "it is out")["visible"] is True
    listed = ask("policy", "list", "-o", organization)
    assert [one["policy_id"] for one in listed["items"]] == ["nights"]
    assert len(ask("policy", "list", "-o", organization, "--retired")["items"]) == 2
    assert ask("policy", "show", "other", "-o", organization, status=1)["error"]["code"] == "unknown_policy"
    assert ask("policy", "retire", "other", "-o", organization, status=1)["error"]["code"] == "unknown_policy"


def test_the_operators_key_acts_for_those_that_are_named(ask: Ask) -> None:
    first = ask("api-key", "create", "--act-for", "all", "--scope", "administer")
    assert (first["organization_id"], first["act_for"], first["scopes"]) == ("operator", "all", ["administer"])
    rotated = ask("api-key", "create", "-o", "operator", "--rotate", first["key_id"])
    assert rotated["act_for"] == "all"
    listed = ask("api-key", "create", "--act-for", "globex, acme", "-o", "reseller")
    assert (listed["organization_id"], listed["act_for"]) == ("reseller", ["acme", "globex"])
    found = {one["key_id"]: one["act_for"] for one in ask("api-key", "list", "-o", "operator")["items"]}
    assert found == dict.fromkeys((first["key_id"], rotated["key_id"]), "all")
    assert ask("api-key", "list", "-o", "reseller")["items"][0]["act_for"] == ["acme", "globex"]
    both = ("api-key", "create", "--act-for", "all", "--unit", "emea")
    assert ask(*both, status=1)["error"]["code"] in {"unknown_unit", "invalid_command"}


def test_a_key_is_shown_once_and_exchanged_with_an_overlap(ask: Ask) -> None:
    organization = f"org-{testing.unique_prefix().strip('.')}"
    arguments = ("api-key", "create", "-o", organization)
    first = ask(
        *arguments, "--name", "shop", "--scope", "use", "--scope", "read", "--expires", "90d", "--requests-per-s", "50"
    )
    assert first["api_key"].startswith(f"ent_{first['key_id']}_")
    second = ask(*arguments, "--rotate", first["key_id"], "--overlap", "2h")
    assert (second["name"], second["scopes"], second["requests_per_s"]) == ("shop", ["read", "use"], 50)
    listed = ask("api-key", "list", "-o", organization)["items"]
    assert [(one["key_id"], one["status"]) for one in listed] == [
        (second["key_id"], "active"),
        (first["key_id"], "active"),
    ]
    assert listed[1]["revoked_at"] == second["counts_until"]
    secret = first["api_key"].rpartition("_")[2]
    assert secret not in json.dumps(listed)
    ask("api-key", "revoke", first["key_id"], "-o", organization, "--reason", "it was in a log")
    assert ask("api-key", "list", "-o", organization)["items"][1]["status"] == "revoked"
    unit = ask("send", "DefineUnit", f"organization_id={organization}", "unit_id=emea")
    assert unit["status"] == "accepted"
    bound = ask(*arguments, "--unit", "emea", "--scope", "read")
    assert (bound["unit_id"], bound["act_for"]) == ("emea", [])
    assert ask("api-key", "list", "-o", organization)["items"][0]["unit_id"] == "emea"
    assert ask(*arguments, "--unit", "apac", status=1)["error"]["code"] == "unknown_unit"
    assert ask(*arguments, "--rotate", "k7654321", status=1)["error"]["code"] == "unknown_api_key"
    assert ask("api-key", "revoke", "k7654321", "-o", organization, status=1)["error"]["code"] == "unknown_api_key"


def _until(happened: Callable[[], bool], within_for: float = 20.0) -> None:
    deadline = time.monotonic() + within_for
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_topics_and_tables_are_there_already(ask: Ask) -> None:
    assert not any(topic["created"] for topic in ask("topics")["topics"])
    assert ask("migrate")["applied"] == []


def test_a_killed_process_is_started_again_and_nothing_is_lost(
    ask: Ask, pool: str, installed: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = addresses.read(installed[0])["processes"]
    for name in ("engine", "projector"):
        os.kill(before[name], signal.SIGKILL)
    # Until the broker has noticed, nobody decides: longer than a caller waits by itself.
    monkeypatch.setenv("ENTITLEMENTS_ANSWER_TIMEOUT_FOR", "40")
    assert ask("usage", "record", "api_calls", "2", "--pool", pool, "--no-wait")["status"] == "accepted"
    now = addresses.read(installed[0])["processes"]
    assert all(now[name] not in {None, before[name]} for name in ("engine", "projector"))
    deadline = time.monotonic() + 60
    while ask("check", "api_calls", "--pool", pool)["consumed"] != 2:
        assert time.monotonic() < deadline, "the projector did not come back"


def test_without_an_engine_the_outcome_is_unknown_and_says_how_to_retry(
    kafka: str, database: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(
        kafka=kafka, postgres=database, topic_prefix=topic_prefix, partitions=1, answer_timeout_for=1, registry_url=None
    )
    for name, value in addresses.environment_of(settings).items():
        monkeypatch.setenv(name, value)
    create_topics(settings)
    assert run(["pool", "show", "p"]) == 1
    assert capsys.readouterr().err.startswith("tables_are_missing: ")
    migrate(database)
    assert run(["pool", "open", "p", "--organization", "o", "--idempotency-key", "mine"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("outcome_unknown: ")
    assert "--idempotency-key mine" in said
    assert run(["usage", "record", "k", "1", "--pool", "p", "--id", "u1"]) == 1
    assert "--pool p --id u1" in capsys.readouterr().err


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["told to stop", "killed"])
def test_up_starts_from_nothing_and_leaves_nothing_running(how: signal.Signals, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with up(folder, ENTITLEMENTS_REGISTRY_PORT="0") as process:
        deadline = time.monotonic() + READY_WITHIN_FOR
        while None in (pids := list(addresses.read(folder).get("processes", {"engine": None}).values())):
            assert process.poll() is None, (tmp_path / "up.err").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        servers = processes_in(folder)
        assert len(servers) >= 4  # Kafka, Postgres, and the small process above each.
        process.send_signal(how)
        while alive := [pid for pid in (*pids, *servers) if pid != process.pid and is_alive(pid)]:
            assert time.monotonic() < deadline, alive
            time.sleep(0.1)
    assert (folder / "addresses.json").exists() == (how == signal.SIGKILL)
    assert process.returncode == (0 if how == signal.SIGTERM else -how)


def processes_in(folder: Path) -> list[int]:
    """Processes whose command line names the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{folder}/".encode() in (process / "cmdline").read_bytes():
                found.append(int(process.name))
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
