"""`entitlements send`: every command has a way from the command line."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import get_type_hints

import pytest
import yaml
from rich.cells import cell_len

from entitlements.cli.explaining import _OF_SET, GROUPS
from entitlements.cli.explaining import ENVELOPE as ENVELOPE_FIELDS
from entitlements.cli.failures import InvalidValue
from entitlements.cli.running import run
from entitlements.cli.sending import _command, _kind_of, _read
from entitlements.domain.commands import Command, DefineResourceKey
from entitlements.domain.plan_commands import ConfigureOnDemand, SetOverride
from entitlements.examples_of_terms import one_of_each
from entitlements.intake.synonyms import COMMAND_SYNONYMS, command_near
from entitlements.ledger.records import COMMANDS

KNOWN: dict[str, type[Command]] = {name.rpartition(".")[2]: kind for name, kind in COMMANDS.items()}
ENVELOPE = {"command_id": "c", "actor": "ops", "idempotency_key": "k"}
OVERRIDE = {"pool_id": "p1", "override_id": "o", "resource_key": "seats", "reason": "asked for", "amount": 9}


def test_every_command_is_listed_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["send", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert set(listed) == set(KNOWN) - {"RecordUsage", "RecordUsageBatch"}
    assert "override_id*" in listed["SetOverride"]["fields"]


@pytest.mark.parametrize("name", sorted(set(KNOWN) - {"RecordUsage", "RecordUsageBatch"}))
def test_every_command_is_explained_with_its_fields_and_an_example_that_is_taken(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["send", name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert all(cell_len(line) <= 80 for line in shown.partition("Example\n")[0].splitlines())
    assert run(["send", name, "--help", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    rows = {row["field"]: row for row in told["fields"]}
    kind = KNOWN[name]
    assert {each.name for each in fields(kind)} - ENVELOPE_FIELDS <= set(rows)
    assert [row for row in rows.values() if not row["about"] or not row["type"]] == []
    assert told["example"] in shown
    # What people would copy: the file or the words of the example, and what the set says where it stands for that.
    heredoc = re.search(r"<<EOF\n(.*)EOF", told["example"], re.DOTALL)
    words = shlex.split(told["example"].replace("\\\n", ""))[4:]
    pairs = [word.partition("=") for word in words]
    hints = get_type_hints(kind)
    said = {name: _read(yaml.safe_load(text), text, hints.get(name)) for name, _, text in ([] if heredoc else pairs)}
    facts = yaml.safe_load(heredoc[1]) if heredoc else said
    assert {field for field, row in rows.items() if row["required"]} <= set(facts)
    whole = next(each for each in one_of_each() if type(each) is kind)
    of_sets = {f"{prefix}{field}" for prefix in ("", "then_") if facts.pop(f"{prefix}set", None) for field in _OF_SET}
    facts |= {each.name: getattr(whole, each.name) for each in fields(kind) if each.name in of_sets}
    elsewhere = {"effective_at": None} | ({"ladder_rungs": None} if hasattr(whole, "ladder_rungs") else {})
    assert replace(_command(kind, ENVELOPE | facts), **ENVELOPE) == replace(whole, **ENVELOPE, **elsewhere)


def test_every_command_has_its_place_in_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    placed = [name for names in GROUPS.values() for name in names]
    assert sorted(placed) == sorted(set(KNOWN) - {"RecordUsage", "RecordUsageBatch"})
    assert run(["send"]) == 0
    shown = capsys.readouterr().out
    assert all(heading in shown.splitlines() for heading in GROUPS)


def test_values_become_what_the_field_is() -> None:
    facts = ENVELOPE | OVERRIDE | {"expires_at": datetime(2026, 1, 31, 12, tzinfo=UTC)}
    assert _command(SetOverride, facts) == SetOverride(
        **ENVELOPE, pool_id="p1", override_id="o", resource_key="seats", reason="asked for", amount=9,
        expires_at=datetime(2026, 1, 31, 12, tzinfo=UTC),
    )  # fmt: skip
    made = _command(
        ConfigureOnDemand, ENVELOPE | {"pool_id": "p", "resource_key": "k", "enabled": True, "alert_at": [5]}
    )
    assert made == ConfigureOnDemand(**ENVELOPE, pool_id="p", resource_key="k", enabled=True, alert_at=[5])


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (OVERRIDE | {"ammount": 1}, "invalid_command"),
        (OVERRIDE | {"amount": "many"}, "invalid_command"),
        ({"pool_id": "p1"}, "invalid_command"),
        (OVERRIDE | {"expires_at": datetime(2026, 1, 1)}, "invalid_instant"),  # noqa: DTZ001 - the point.
    ],
)
def test_what_is_invalid_is_refused_before_it_is_sent(facts: dict[str, object], code: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        _command(SetOverride, ENVELOPE | facts)
    assert refused.value.code == code


def test_an_instant_deep_inside_a_command_has_a_time_zone_too() -> None:
    terms = {"entitlement_type": "boolean", "constraints": {"start_date": datetime(2026, 1, 1)}}  # noqa: DTZ001 - the point.
    with pytest.raises(InvalidValue, match="start_date: must be an RFC 3339 instant with a time zone"):
        _command(
            DefineResourceKey, ENVELOPE | {"resource_key": "k", "name": "k", "data_type": "boolean", "terms": terms}
        )


@pytest.mark.parametrize(
    ("text", "value", "hint", "read"),
    [
        ("17", 17, str, "17"),
        ("17", 17, int, 17),
        ('"17"', "17", str, "17"),
        ("", None, str, ""),
        ("null", None, str | None, None),
        ('{"a": 1}', {"a": 1}, str, '{"a": 1}'),
    ],
)
def test_a_field_that_takes_text_takes_what_is_written(text: str, value: object, hint: object, read: object) -> None:
    assert (yaml.safe_load(text), _read(value, text, hint)) == (value, read)


def test_a_mistyped_name_is_met_with_the_right_one() -> None:
    with pytest.raises(InvalidValue) as refused:
        _kind_of("SetOveride", KNOWN)
    assert "SetOverride" in refused.value.advice


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("CancelProvision", "EndProvision"),
        ("CancelSubscription", "EndProvision"),
        ("CreateSubscription", "ProvisionPool"),
        ("CreatePool", "OpenPool"),
        ("UpgradePlan", "ChangePlan"),
        ("RefundUsage", "ReverseUsage"),
        ("unsuspend_pool", "ResumePool"),
        ("AssignCustomer", "AssignWorkspace"),
    ],
)
def test_a_command_as_others_call_it_is_answered_with_ours(
    name: str, ours: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["send", name]) == 1
    assert f"unknown_command: No such command: {name}. Did you mean {ours}?" in capsys.readouterr().err


def test_synonyms_are_no_commands_and_stand_for_those_there_are() -> None:
    assert set(COMMAND_SYNONYMS.values()) <= set(KNOWN)
    assert not COMMAND_SYNONYMS.keys() & KNOWN.keys()


@pytest.mark.parametrize("prefix", ["Un", "De", "Re"])
def test_what_undoes_a_command_is_never_suggested_for_it(prefix: str) -> None:
    opposites = [("Uncancel", "Cancel"), ("Unassign", "Assign"), ("Deactivate", "Activate")]
    for undoing, doing in opposites:
        only = [f"{undoing}Unit"]
        assert command_near(f"{doing}Unit", only) is None
        assert command_near(f"{undoing}Unit", [f"{doing}Unit"]) is None
    for name in KNOWN:
        assert command_near(f"{prefix}{name}", [name]) is None


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("ammount", "SetOverride has no field ammount (did you mean amount?)."),
        ("customer", "SetOverride has no field customer (commands call it workspace_id)."),
        ("customer_id", "SetOverride has no field customer_id (commands call it workspace_id)."),
        ("colour", "SetOverride has no field colour."),
    ],
)
def test_an_unknown_field_is_answered_with_the_one_it_may_stand_for(field: str, said: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        _command(SetOverride, ENVELOPE | OVERRIDE | {field: 1})
    assert str(refused.value) == said
