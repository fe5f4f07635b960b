"""The command line without servers: help, values, what people see, and what is imported for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer

from entitlements.cli import customers, dashboard, operating, output, showing, tailing, values
from entitlements.cli.app import app
from entitlements.cli.failures import InvalidValue
from entitlements.cli.running import run
from entitlements.wiring.processes import PROCESSES
from entitlements.wiring.supervisor import Program

#: Nothing listens there: connections are refused at once.
NOWHERE = "127.0.0.1:1"
HEAVY = ("confluent_kafka", "psycopg", "pydantic", "fastavro", "faust", "fastapi", "yaml", "entitlements.settings")


def commands(of: typer.Typer, path: str = "") -> Iterator[tuple[str, Any]]:
    for command in of.registered_commands:
        yield f"{path} {command.name}".strip(), command
    for group in of.registered_groups:
        assert group.typer_instance is not None
        yield from commands(group.typer_instance, f"{path} {group.name}".strip())


@pytest.fixture
def no_servers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENTITLEMENTS_KAFKA", NOWHERE)
    monkeypatch.setenv("ENTITLEMENTS_POSTGRES", "postgresql://somebody:secret@127.0.0.1:2/things")


def test_help_imports_nothing_heavy() -> None:
    code = f"import sys, entitlements.cli.app; print([name for name in {HEAVY} if name in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


@pytest.mark.parametrize(("path", "command"), commands(app), ids=[path for path, _ in commands(app)])
def test_every_command_says_what_it_does_and_shows_an_example(path: str, command: Any) -> None:
    assert command.help
    assert "entitlements " in command.epilog


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out == f"entitlements {version('entitlements')}\n"


def test_the_ports_of_an_installation_are_named_and_fit_only_its_own_servers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["up", "--help"]) == 0
    said = capsys.readouterr().out
    for option in ("--api-port", "--registry-port", "--kafka-port", "--postgres-port", "8080", "8081"):
        assert option in said
    monkeypatch.setenv("ENTITLEMENTS_KAFKA", "127.0.0.1:9")
    assert run(["up", "--data", str(tmp_path), "--api-port", "0", "--registry-port", "0", "--kafka-port", "9092"]) == 2
    assert "--kafka-port is for a local server" in capsys.readouterr().err
    monkeypatch.delenv("ENTITLEMENTS_KAFKA")
    monkeypatch.setenv("ENTITLEMENTS_KAFKA_SECURITY_PROTOCOL", "SSL")
    assert run(["up", "--data", str(tmp_path)]) == 2
    assert "settings need ENTITLEMENTS_KAFKA" in capsys.readouterr().err


def test_every_command_but_the_processes_speaks_json() -> None:
    silent = {path for path, command in commands(app) if "as_json" not in command.callback.__annotations__}
    assert silent == {f"run {name}" for name in PROCESSES}


def test_every_process_has_its_command() -> None:
    assert {path for path, _ in commands(app) if path.startswith("run ")} == {f"run {name}" for name in PROCESSES}


def test_no_two_commands_are_told_apart_by_their_end_alone() -> None:
    """As `key` and `keys`, `use` and `usage`, `project` and `projector` were: one is typed for the other."""
    names = {path.split()[0] for path, _ in commands(app)}
    stems = {name: re.sub(r"(ies|y|s|e|age|or|er)$", "", name) for name in names}
    assert len(set(stems.values())) == len(names), sorted(stems.items())


def test_a_setting_that_is_invalid_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENTITLEMENTS_PARTITIONS", "six")
    assert run(["api-key", "list", "--organization", "acme"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("setting_is_wrong: ")
    assert "ENTITLEMENTS_PARTITIONS" in said
    assert 'not "six"' in said


@pytest.mark.parametrize(
    ("name", "value"), [("POSTGRES", "ann:secret@host/entitlements"), ("VALKEY", "http://ann:secret@host:6379")]
)
def test_an_address_that_leads_nowhere_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"ENTITLEMENTS_{name}", value)
    # A process of its own: it ends at once, whatever else is going on in it.
    command = [sys.executable, "-m", "entitlements.cli", "run", "access-log"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "setting_is_wrong" in done.stderr
    assert f"ENTITLEMENTS_{name}" in done.stderr
    assert "secret" not in done.stderr


def test_who_writes_a_time_wrongly_hears_both_ways_to_write_it() -> None:
    with pytest.raises(InvalidValue) as caught:
        values.instant_or_after("90x")
    assert "2026-01-31T12:00:00Z" in caught.value.advice
    assert "90d" in caught.value.advice


@pytest.mark.parametrize("arguments", [["--help"], ["set", "define", "--help"], ["changes", "--help"]])
def test_help_is_answered(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 0
    assert "Usage: entitlements" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "2.0", "1e3", "", "ten", "9007199254740993", "٣٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠٠"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        values.quantity(text)
    assert refused.value.code == "invalid_quantity"


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("9007199254740992", 2**53), ("007", 7)])
def test_a_quantity_is_an_integer_from_1_to_2_to_the_53(text: str, number: int) -> None:
    assert values.quantity(text) == number


@pytest.mark.parametrize("text", ["x" * 129, ""])
def test_an_id_has_1_to_128_characters(text: str) -> None:
    with pytest.raises(InvalidValue):
        values.id_of("pool", text)
    assert values.id_of("pool", "x" * 128) == "x" * 128


def test_an_instant_has_a_time_zone_and_becomes_utc() -> None:
    assert values.instant("2026-01-31T12:00:00+02:00") == datetime(2026, 1, 31, 10, tzinfo=UTC)
    assert values.instant("") is None
    for text in ("2026-01-31T12:00:00", "2026-01-31", "tomorrow", "2026-13-01T00:00:00Z"):
        with pytest.raises(InvalidValue):
            values.instant(text)


@pytest.mark.parametrize(
    ("quantity", "scale", "shown"),
    [
        (1250, 2, "12.50"),
        (5, 2, "0.05"),
        (-1250, 2, "-12.50"),
        (1234567, 0, "1,234,567"),
        (None, 2, "unlimited"),
        (0, 3, "0.000"),
    ],
)
def test_quantities_are_shown_with_the_decimals_of_their_key(quantity: int | None, scale: int, shown: str) -> None:
    assert output.amount(quantity, scale) == shown


def held(**more: Any) -> dict[str, Any]:
    """A quota of 50, warned from 40, of which 10 are used."""
    row = {
        "entitlement_type": "quota", "held": True, "suspended": False, "available": True, "consumed": 10, "effective_limit": 50, "soft_limit": 40,
        "owed": 0, "reserved": 0, "exceeded_at": None, "changed_at": datetime(2026, 1, 1, tzinfo=UTC),
    } | more  # fmt: skip
    limit = row["effective_limit"]
    left = None if limit is None else max(0, limit - (row["consumed"] or 0) + row.get("elsewhere", 0) - row["reserved"])
    return {"remaining": left} | row


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (held(entitlement_type="boolean", consumed=None, owed=None), "ACTIVE"),
        (held(), "OK"),
        (held(consumed=39), "OK"),
        (held(consumed=40), "WARNING"),
        (held(consumed=50, soft_limit=None), "LIMIT REACHED"),
        (held(consumed=30, reserved=20), "LIMIT REACHED"),
        (held(consumed=51, owed=1), "OVERAGE"),
        # The overage was forgiven: nothing is overage any more, and still nothing is left.
        (held(consumed=51), "LIMIT REACHED"),
        # Owed from before, and paid by nothing: it is overage whatever is left now.
        (held(consumed=5, owed=5), "OVERAGE"),
        # One refused request of 2,000 with 3 of 100 used.
        (held(consumed=3, effective_limit=100, exceeded_at=datetime(2026, 1, 2, tzinfo=UTC)), "OK"),
        (held(consumed=45, exceeded_at=datetime(2026, 1, 2, tzinfo=UTC)), "WARNING"),
        (held(entitlement_type="limit", consumed=50, exceeded_at=datetime(2026, 1, 2, tzinfo=UTC)), "LIMIT REACHED"),
        (held(effective_limit=None, soft_limit=None, consumed=10**9), "OK"),
        (held(effective_limit=None, consumed=41), "WARNING"),
        (held(consumed=60, elsewhere=30), "WARNING"),
        (held(held=False, consumed=91), "ENDED"),
        (held(held=False, suspended=True, effective_limit=0), "SUSPENDED"),
    ],
)
def test_the_status_says_how_a_customer_stands(row: dict[str, Any], status: str) -> None:
    assert dashboard.status_of(row) == status
    named = row | {"name": "Calls", "resource_key": "calls", "unit": "call", "scale": 0, "period": "day"}
    assert dashboard.cells(named)[3].value == dashboard.fact(named)["status"] == status


def test_the_dashboard_says_what_is_owed() -> None:
    row = held(name="API calls", unit="call", scale=0, period="day", consumed=57, owed=7)
    assert dashboard.cells(row)[1] == "57 calls (7 owed)"
    assert dashboard.fact(row)["owed"] == 7


def test_the_dashboard_says_what_is_reserved_borne_by_others_or_over_allocated() -> None:
    row = held(name="API calls", unit="call", scale=0, period="day", reserved=4, elsewhere=3)
    assert dashboard.cells(row)[1:3] == ("10 calls (4 reserved, 3 from credits or on-demand)", "50 / day")
    assert dashboard.cells(row | {"entitlement_type": "limit", "period": None, "over_allocated": True})[2] == (
        "50 (over-allocated)"
    )


AT = datetime(2026, 1, 31, 12, tzinfo=UTC)


def a_pool(**lists: Any) -> dict[str, Any]:
    """A pool as the read models give it, of which only these lists are not empty."""
    pool = {"pool_id": "p1", "name": "", "organization_id": "acme", "billing_account_id": None, "status": "open"}
    pool |= {"status_at": AT, "status_reason": "", "backfilling": False, "time_zone": "Europe/Berlin", "anchor_at": AT}
    kinds = (
        "entitlements", "contributions", "provisions", "grants", "assignments", "overrides", "caps", "reservations", "holders",
        "on_demand",
    )  # fmt: skip
    return pool | {kind: [] for kind in kinds} | lists


CALLS = {"resource_key": "calls"}
SHOWN = {
    "overrides": (
        {"override_id": "o1", "customer_id": "ws-1", "allowed": True, "amount": 1250, "drawn": 7, "is_feature": False}
        | CALLS | {"reason": "asked for", "actor": "ops", "expires_at": AT},
        "o1 calls ws-1 12.50 0.07 asked for ops 2026-01-31T12:00:00Z",
    ),
    "caps": (
        CALLS | {"customer_id": "ws-1", "subject_id": "ann", "amount": 900, "period": "day", "drawn": 150, "reserved": 0}
        | {"actor": "ops", "resets_at": AT},
        "ann in ws-1 calls 9.00 / day 1.50 0.00 ops 2026-01-31T12:00:00Z",
    ),
    "reservations": (
        CALLS | {"reservation_id": "r1", "lease": True, "held": 400, "credit_units": 8, "credit_key": "credits", "spending": 3}
        | {"customer_id": "ws-1", "subject_id": "ann", "expires_at": AT},
        "r1 lease calls 4.00 8 units of credits, 3 minor units of spending ws-1 / ann 2026-01-31T12:00:00Z",
    ),
    "holders": (
        CALLS | {"holder_id": "ann", "held": 100, "customer_id": "ws-1", "changed_at": AT},
        "calls ann 1.00 ws-1 2026-01-31T12:00:00Z",
    ),
    "on_demand": (
        CALLS | {"enabled": True, "payer": "", "currency": "EUR", "unit_price": 7, "price_per": 300, "spent": 21}
        | {"spending_reserved": 2, "spending_cap": 500, "alert_at": [50, 100]},
        "calls yes the pool's billing account 7 EUR for 3.00 21 and 2 reserved 500 50 %, 100 %",
    ),
    "contributions": (
        CALLS | {"provision_id": "sub-1", "included_limit": 700, "carried": 200, "kept": True, "status": "ended", "is_feature": False},
        "calls sub-1 7.00 2.00 ended; its usage counts until the reset",
    ),
    "grants": (
        {"grant_id": "g1", "reason": "sorry", "actor": "ann", "status": "issued", "ends_at": None},
        "g1 sorry ann issued",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", SHOWN)
def test_a_pool_is_shown_with_what_is_said_of_it_and_no_empty_tables(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    row, line = SHOWN[kind]
    calls = held(resource_key="calls", name=None, unit="", scale=2, period="day", resets_at=AT)
    showing.show(a_pool(entitlements=[calls], **{kind: [row]}))
    lines = [" ".join(shown.split()) for shown in capsys.readouterr().out.splitlines()]
    assert line in lines
    assert "Calendar Europe/Berlin, billing periods counted from 2026-01-31T12:00:00Z" in lines
    assert sum("──" in shown for shown in lines) == 2, "the entitlements, and what is said"


@pytest.mark.parametrize(("owed", "said"), [(125, "1.25 of calls"), (0, None)])
def test_a_pool_is_shown_with_what_is_owed_of_its_keys(
    capsys: pytest.CaptureFixture[str], owed: int, said: str | None
) -> None:
    calls = held(resource_key="calls", name=None, unit="", scale=2, period="day", resets_at=AT, owed=owed)
    showing.show(a_pool(entitlements=[calls]))
    lines = [" ".join(shown.split()) for shown in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line.startswith("Owed")] == ([] if said is None else [f"Owed {said}"])


def test_of_very_many_reservations_the_next_to_expire_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    row, _ = SHOWN["reservations"]
    showing.show(a_pool(reservations=[row] * (showing.ROWS_MAX + 5)))
    assert "... and 5 more reservations; --json has them all." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "code"),
    [
        (["pool", "show", "p1"], 1, "server_is_away"),
        (["usage", "record", "api_calls", "1", "--pool", "p1", "--no-wait"], 1, "server_is_away"),
        (["changes", "tail", "--no-follow"], 1, "server_is_away"),
        (["topics"], 1, "server_is_away"),
        (["usage", "record", "api_calls", "-3", "--pool", "p1"], 2, "invalid_quantity"),
        (["usage", "record", "api_calls", "1.5", "--pool", "p1"], 2, "invalid_quantity"),
        (["pool", "open", "x" * 129, "--organization", "o"], 2, "invalid_id"),
        (["pool", "open", "p1", "--organization", "o", "--backfill-from", "yesterday"], 2, "invalid_instant"),
        (["check", "api_calls", "--quantity", "0"], 2, "invalid_quantity"),
        (["check", "api_calls", "--pool", "p1", "--subject", "ann"], 2, "invalid_request"),
        (["grant", "issue", "p1", "pro", "--reason", "r"], 2, "usage_error"),
        (["pool", "opne"], 2, "usage_error"),
        (["set", "define", "nowhere.yaml"], 2, "definition_is_invalid"),
        (["usage", "import", "nowhere.csv"], 2, "file_is_invalid"),
        (["set", "example", "platinum"], 2, "invalid_request"),
    ],
)
@pytest.mark.usefixtures("no_servers")
def test_what_goes_wrong_is_one_line_or_one_document(
    arguments: list[str], status: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == status
    shown = capsys.readouterr()
    assert shown.out == ""
    # A command is named `usage`: a line that starts with it would read as that command's.
    assert shown.err.startswith("error: " if code == "usage_error" else f"{code}: ")
    assert shown.err.count("\n") == 1
    assert "secret" not in shown.err
    assert run([*arguments, "--json"]) == status
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


@pytest.fixture
def nothing_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder without an installation, and no variable of ours."""
    for name in [name for name in os.environ if name.startswith("ENTITLEMENTS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["pool", "show", "p1"],
        ["usage", "record", "api_calls", "1", "--pool", "p1", "--no-wait"],
        ["topics"],
        ["migrate"],
        ["changes", "tail", "--no-follow"],
        ["read-models", "rebuild"],
        ["pool", "list", "--organization", "acme"],
    ],
)
def test_a_server_that_nobody_named_is_never_contacted(
    arguments: list[str], nothing_named: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def contacted(*_: Any, **__: Any) -> None:
        raise AssertionError("a server was contacted")

    monkeypatch.setattr("socket.create_connection", contacted)
    monkeypatch.setattr("psycopg.connect", contacted)
    monkeypatch.setattr("psycopg.Connection.connect", contacted)
    assert run(arguments) == 1
    assert capsys.readouterr().err == (
        "no_installation: No installation in ./.entitlements. Run this in the folder of `entitlements up`, or give --data or "
        "ENTITLEMENTS_POSTGRES and ENTITLEMENTS_KAFKA.\n"
    )


def test_an_installation_that_was_stopped_and_a_server_that_is_missing_are_named(
    nothing_named: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (nothing_named / "mine").mkdir()
    assert run(["pool", "show", "p1", "--data", "mine"]) == 1
    assert (
        "The installation in ./mine is not running. Start it: `entitlements up --data mine`." in capsys.readouterr().err
    )
    monkeypatch.setenv("ENTITLEMENTS_KAFKA", NOWHERE)
    assert run(["pool", "show", "p1"]) == 1
    assert "No installation in ./.entitlements, and ENTITLEMENTS_POSTGRES is not set." in capsys.readouterr().err


def test_a_missing_option_is_named_with_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["provision", "end", "p1", "sub"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: Missing option '--when': now, period_end (end of the billing period) or a time.")
    assert "See `entitlements provision end --help`." in said


@pytest.mark.parametrize("read", [values.instant_or_after, values.instant_or_before])
def test_both_ways_to_write_a_time_are_one_sentence(read: Any) -> None:
    with pytest.raises(InvalidValue) as caught:
        read("tomorrow")
    assert re.fullmatch(r"Write it like 2026-01-31T12:00:00Z, or 90d for 90 days [a-z ]+\.", caught.value.advice)


@pytest.mark.usefixtures("no_servers")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["set", "define", "pro.yml"], "Did you mean pro.yaml?"),
        (["policy", "define", "x.yaml", "-o", "acme"], "Check the path. In "),
        (["usage", "import", "usage.cvs"], "Did you mean usage.csv?"),
        (["ladder", "define", "nowhere/plans.txt"], "Check the path."),
    ],
)
def test_a_file_that_is_not_there_is_answered_with_a_next_step(
    arguments: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("pro.yaml", "usage.csv"):
        (tmp_path / name).touch()
    assert run(arguments) == 2
    assert said in capsys.readouterr().err


def test_the_first_steps_of_the_help_are_those_of_the_readme(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is typed from one and then the other, a customer stays in one organization."""
    assert run(["--help"]) == 0
    steps = re.findall(r"(?m)^ *\$? *(entitlements (?:pool open|provision add|assign) .*?) *$", capsys.readouterr().out)
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    assert len(steps) == 3
    assert [step for step in steps if f"\n{step}\n" not in readme] == []


def test_the_reason_why_a_process_ends_is_printed_once_until_it_changes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program, told = Program("api", tmp_path / "api.log"), dict[str, str]()
    program.last_exit = 1
    line = 'at=2026-01-01T00:00:0{}.000Z level=critical process=api logger=n message="Exiting. address_is_taken: {}" code=c\n'
    for second in range(8):
        with program.log.open("a") as log:
            log.write(line.format(second, r"Port 8080 is \"taken\"."))
        operating._tell_end(program, told)
    said = capsys.readouterr().out
    assert said.count("ended with status 1") == 1
    assert 'api ended with status 1: address_is_taken: Port 8080 is "taken".' in said
    assert str(program.log) in said
    program.log.write_text('{"message": "Exiting. server_is_away: Kafka", "at": "now"}\n')
    operating._tell_end(program, told)
    assert "api ended with status 1: server_is_away: Kafka" in capsys.readouterr().out


CHANGE = {
    "type": "entitlement.granted", "effective_at": datetime(2026, 11, 21, tzinfo=UTC), "organization_id": "acme-inc",
    "customer_id": "ws-1", "resource_key": "api_calls", "before": None,
    "after": {"limit": 100, "soft_limit": None, "hard_limit": 100, "period": "day"},
}  # fmt: skip


def test_a_change_is_shown_with_the_organization_of_its_customer(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = tailing._lines(CHANGE, None)
    output.say(line)
    assert "acme-inc  ws-1  api_calls  none -> 100 / day" in capsys.readouterr().out


def test_a_change_that_does_not_fit_breaks_between_what_and_whose(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for line in tailing._lines(CHANGE, 80):
        output.say(line)
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-21T00:00:00Z  entitlement.granted",
        "  acme-inc  ws-1  api_calls  none -> 100 / day",
    ]
    whole = "2026-11-21T00:00:00Z  entitlement.granted      acme-inc  ws-1  api_calls  none -> 100 / day"
    assert len(tailing._lines(CHANGE, len(whole))) == 1
    assert len(tailing._lines(CHANGE, len(whole) - 1)) == 2


def test_one_seat_is_no_seats() -> None:
    seats = held(name="Seats", unit="seat", scale=0, period=None, entitlement_type="limit", effective_limit=5)
    assert dashboard.cells(seats | {"consumed": 1})[1] == "1 seat"
    assert dashboard.cells(seats | {"consumed": 2})[1] == "2 seats"
    assert dashboard.cells(seats | {"consumed": 1, "scale": 2})[1] == "0.01 seats"
    assert [output.counted(number, "row") for number in (0, 1, 1000)] == ["0 rows", "1 row", "1,000 rows"]


@pytest.mark.parametrize(
    ("pool", "role"),
    [
        ({"role": "primary", "is_primary": True}, "primary"),
        ({"role": "primary", "is_primary": False}, "secondary"),
        ({"role": "secondary", "is_primary": False}, "secondary"),
        ({}, None),
    ],
)
def test_an_older_primary_pool_counts_as_secondary(pool: dict[str, Any], role: str | None) -> None:
    assert customers.role_of(pool) == role


@pytest.mark.usefixtures("no_servers")
def test_a_server_that_is_away_is_named_by_its_address(capsys: pytest.CaptureFixture[str]) -> None:
    run(["pool", "show", "p1"])
    assert "Postgres at 127.0.0.1:2/things" in capsys.readouterr().err
    run(["topics"])
    assert f"Kafka at {NOWHERE}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["free", "pro", "enterprise"])
def test_an_example_is_a_definition_that_can_be_used(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from entitlements.intake.definitions import read_set

    assert run(["set", "example", name]) == 0
    (tmp_path / "set.yaml").write_text(capsys.readouterr().out)
    assert read_set(tmp_path / "set.yaml").set_id == name


@pytest.mark.parametrize("command", [["up"], ["topics"], ["pool", "list"]])
def test_a_folder_without_a_name_is_not_the_current_one(
    capsys: pytest.CaptureFixture[str], command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run([*command, "--data", ""]) == 2
    assert "The name of the folder is empty." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
