"""`entitlements send`: every command has a way from the command line."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from entitlements.cli.failures import InvalidValue
from entitlements.cli.running import run
from entitlements.cli.sending import _command, _kind_of
from entitlements.domain.commands import Command, DefineResourceKey
from entitlements.domain.plan_commands import ConfigureOnDemand, SetOverride
from entitlements.ledger.records import COMMANDS

KNOWN: dict[str, type[Command]] = {name.rpartition(".")[2]: kind for name, kind in COMMANDS.items()}
ENVELOPE = {"command_id": "c", "actor": "ops", "idempotency_key": "k"}
OVERRIDE = {"pool_id": "p1", "override_id": "o", "resource_key": "seats", "reason": "asked for", "amount": 9}


def test_every_command_is_listed_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["send", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert set(listed) == set(KNOWN) - {"RecordUsage", "RecordUsageBatch"}
    assert "override_id*" in listed["SetOverride"]["fields"]


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
def test_what_cannot_be_meant_is_refused_before_it_is_sent(facts: dict[str, object], code: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        _command(SetOverride, ENVELOPE | facts)
    assert refused.value.code == code


def test_an_instant_deep_inside_a_command_has_a_time_zone_too() -> None:
    terms = {"entitlement_type": "boolean", "constraints": {"start_date": datetime(2026, 1, 1)}}  # noqa: DTZ001 - the point.
    with pytest.raises(InvalidValue, match="start_date: must be an RFC 3339 instant with a time zone"):
        _command(
            DefineResourceKey, ENVELOPE | {"resource_key": "k", "name": "k", "data_type": "boolean", "terms": terms}
        )


def test_a_mistyped_name_is_met_with_the_right_one() -> None:
    with pytest.raises(InvalidValue) as refused:
        _kind_of("SetOveride", KNOWN)
    assert "SetOverride" in refused.value.advice
