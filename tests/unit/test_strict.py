"""One reading of whatever comes from outside: types as they are written, instants cut off, errors in plain words with a code."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from entitlements.domain.aggregate import to_ms
from entitlements.domain.commands import ProvisionPool
from entitlements.domain.plan_commands import SetOverride
from entitlements.domain.values import Rule
from entitlements.intake.instants import NotAnInstant, occurred_ms, read_instant
from entitlements.intake.strict import code_of_all, read_fields, said_of

END = datetime(2026, 3, 31, 23, 59, 59, 999_000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-03-31T23:59:59.999Z", END),
        ("2026-03-31T23:59:59.9999999Z", END),
        ("2026-04-01T01:59:59.999999999999+02:00", END),
        ("2026-03-31t23:59:59.9994z", END),
        ("1969-12-31T23:59:59.9999Z", datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)),
        ("2026-03-31T23:59:59Z", END.replace(microsecond=0)),
        ("2026-03-31T23:59:59.5-00:00", END.replace(microsecond=500_000)),
    ],
)
def test_an_instant_is_cut_off_to_the_millisecond_and_never_rounded_up(text: str, at: datetime) -> None:
    assert read_instant(text) == at
    assert to_ms(read_instant(text)) == to_ms(at)


@pytest.mark.parametrize(
    "text",
    [
        "", "0.5", "1700000000", "2026-03-31", "2026-03-31T23:59:59", "2026-03-31 23:59:59Z", "20260331T235959Z", "2026-03-31T23:59Z",
        "2026-03-31T23:59:60Z", "2026-02-30T00:00:00Z", "2026-03-31T24:00:00Z", "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00", "2026-03-31T23:59:59.Z", "2026-03-31T23:59:59+0200", "2026-03-31T23:59:59+00:99", "2026-03-31T23:59:59-00:60", "2026-03-31T23:59:59+24:00", "\u0662026-03-31T23:59:59Z",
    ],
)  # fmt: skip
def test_what_is_no_rfc_3339_instant_with_a_zone_is_none(text: str) -> None:
    with pytest.raises(NotAnInstant):
        read_instant(text)


@pytest.mark.parametrize(
    ("facts", "code", "said"),
    [
        ({"amount": True}, "invalid_request", "must be an integer"),
        ({"amount": "5"}, "invalid_request", "must be an integer"),
        ({"amount": 5.0}, "invalid_quantity", "must be an integer"),
        ({"amount": 2**63}, "invalid_quantity", "must be at most 9223372036854775807"),
        ({"allowed": "off"}, "invalid_request", "must be true or false"),
        ({"allowed": 1}, "invalid_request", "must be true or false"),
        ({"resource_key": 5}, "invalid_request", "must be a string"),
        ({"expires_at": 0.5}, "invalid_request", "must be a string such as 2026-01-31T12:00:00Z"),
        ({"expires_at": "tomorrow"}, "invalid_instant", "must be an RFC 3339 instant with a time zone, such as 2026-01-31T12:00:00Z"),
        ({"expires_at": datetime(2026, 1, 1)}, "invalid_instant", "must be an RFC 3339 instant with a time zone, such as 2026-01-31T12:00:00Z"),  # noqa: DTZ001
        ({"colour": 1}, "invalid_request", "is not a known field"),
        ({"ammount": 5000}, "invalid_request", "is not a known field; did you mean amount?"),
        ({"customer_id": "ws-1"}, "invalid_request", "is not a known field; commands call it workspace_id"),
        ({"quantity": 5}, "invalid_request", "is not a known field"),
    ],
)  # fmt: skip
def test_a_field_of_another_type_is_refused_in_plain_words(facts: dict[str, Any], code: str, said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        read_fields(SetOverride, facts)
    errors = refused.value.errors()
    assert (code_of_all(errors), [said_of(error) for error in errors]) == (code, [said])
    assert [error["loc"] for error in errors] == [tuple(facts)]


def test_values_in_a_command_are_read_as_strictly() -> None:
    rule = {"resource_key": "k", "rule_type": "quota", "amount": 5, "period": "day", "stacking": "sum"}
    assert read_fields(ProvisionPool, {"rules": [rule]}) == {"rules": [Rule(**rule)]}
    assert read_fields(ProvisionPool, {"rules": [Rule(**rule)]}) == {"rules": [Rule(**rule)]}
    for wrong in ({"amount": "5"}, {"per_unit": 1}, {"rule_type": "quotas"}, {"recur": "day"}):
        with pytest.raises(ValidationError) as refused:
            read_fields(ProvisionPool, {"rules": [rule | wrong]})
        assert [error["loc"] for error in refused.value.errors()] == [("rules", 0, *wrong)]


def test_an_unknown_field_deep_inside_hides_nothing_else_that_is_wrong() -> None:
    rule = {"resource_key": "k", "rule_type": "quotas", "ammount": 5, "period": "day", "stacking": "sum"}
    with pytest.raises(ValidationError) as refused:
        read_fields(ProvisionPool, {"rules": [rule], "starts_at": "tomorrow"})
    said = {error["loc"]: (error["type"], said_of(error)) for error in refused.value.errors()}
    assert said["rules", 0, "ammount"] == ("unknown_field", "is not a known field; did you mean amount?")
    assert said["rules", 0, "rule_type"] == ("literal_error", "must be 'boolean', 'limit', 'quota' or 'credit'")
    assert said["starts_at",][0] == "invalid_instant"


def test_instants_of_yaml_are_taken_with_their_zone() -> None:
    at = datetime(2026, 1, 1, 2, 0, 0, 999, tzinfo=timezone(timedelta(hours=2)))
    assert read_fields(SetOverride, {"expires_at": at}) == {"expires_at": datetime(2026, 1, 1, tzinfo=UTC)}


def test_the_epoch_is_no_instant_of_usage_and_is_not_taken_for_left_out() -> None:
    """0 stands for an instant that was left out: usage of the epoch would count now."""
    assert occurred_ms(None) == 0
    assert occurred_ms(read_instant("1970-01-01T00:00:00.0009Z")) < 0
    assert occurred_ms(read_instant("1969-12-31T23:59:59Z")) < 0
    assert occurred_ms(read_instant("1970-01-01T00:00:00.001Z")) == 1
