"""What is logged of each key, and what becomes of what callers send."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from entitlements.access.log.entries import ACCESS_DECIDED, COUNT_MAX, of_report
from entitlements.access.log.rules import AccessLogRulesAreWrong, LogRule, LogRules
from entitlements.errors import InvalidRequest
from entitlements_schemas import Wire

NOW = datetime.now(UTC)
NOW_MS = time.time_ns() // 1_000_000


def told(**changes: Any) -> dict[str, Any]:
    return {
        "decision_id": "d1",
        "allowed": True,
        "reason_code": "allowed",
        "customer_id": "ws",
        "resource_key": "api_calls",
        "quantity": 3,
        "decided_at": NOW.isoformat(),
        "source": "LOCAL",
        "as_of": {"position": "0:12,1:44", "lag_ms": 5},
        "policy_version": 2,
        "subject_id": "alice",
        "context": {
            "request_id": "r-1",
            "client": {"ip_address": "192.0.2.7", "user_agent": "curl/8"},
            "resource": {"type": "document", "id": "17", "action": "read"},
        },
    } | changes


ASKER: Any = SimpleNamespace(key_id="key", organization_id="acme", key_organization_id="operator")


def reported(**changes: Any) -> dict[str, Any]:
    return of_report(ASKER, told(**changes), NOW_MS, 90)


def test_without_a_setting_everything_is_logged_for_90_days() -> None:
    rule = LogRules.parse("").of("anything")
    assert (rule.one_in, rule.denials, rule.keep_for_days) == (1, True, 90)


def test_the_first_pattern_that_fits_a_key_counts() -> None:
    rules = LogRules.parse('{"api_*": {"one_in": 100}, "api_calls": {"one_in": 5}, "*": {"keep_for_days": 7}}')
    assert rules.of("api_calls").one_in == 100
    assert rules.of("seats").keep_for_days == 7
    assert rules.kept_for_days == {90, 7}
    assert LogRules.parse('{"a": {"keep_for_days": 5}}').kept_for_days == {5, 90}


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"*": 1}',
        '{"*": {"one_in": -1}}',
        '{"*": {"one_in": 0.5}}',
        '{"*": {"one_in": true}}',
        '{"*": {"keep_for_days": 0}}',
        '{"*": {"denials": 1}}',
        '{"*": {"rate": 1}}',
    ],
)
def test_a_setting_that_nobody_can_understand_is_told_at_the_start(text: str) -> None:
    with pytest.raises(AccessLogRulesAreWrong, match=r'Write JSON such as \{"\*": \{"one_in"'):
        LogRules.parse(text)


def test_sampled_records_count_for_all_decisions_and_every_denial_is_there() -> None:
    rule = LogRule(one_in=10)
    ids = [uuid4().hex for _ in range(20_000)]
    assert sum(rule.count(each, allowed=True) for each in ids) == pytest.approx(20_000, rel=0.1)
    assert all(rule.count(each, allowed=False) == 1 for each in ids)


def test_a_decision_that_is_reported_twice_is_sampled_the_same_both_times() -> None:
    rule = LogRule(one_in=3, denials=False)
    assert [rule.count(str(n), allowed=n % 2 == 0) for n in range(50)] == [
        rule.count(str(n), allowed=n % 2 == 0) for n in range(50)
    ]


def test_one_in_nothing_logs_denials_only() -> None:
    assert [LogRule(one_in=0).count("d", allowed=allowed) for allowed in (True, False)] == [0, 1]


def test_a_report_is_a_record_of_the_schema_with_all_that_was_said() -> None:
    entry = reported()
    name, read = Wire().decode_plain(Wire().encode_plain(ACCESS_DECIDED, entry))
    assert (name, read) == (ACCESS_DECIDED, entry)
    assert entry["occurred_at"] == round(NOW.timestamp() * 1000 - 0.5) or abs(entry["occurred_at"] - NOW_MS) < 5_000
    said = ("action", "request_id", "ip_address", "user_agent", "resource_type", "resource_id", "as_of", "lag_ms")
    assert [entry[name] for name in said] == ["read", "r-1", "192.0.2.7", "curl/8", "document", "17", "0:12,1:44", 5]
    assert (entry["organization_id"], entry["result"]) == ("acme", "allowed")
    assert (entry["asked_by"], entry["asked_by_organization"]) == ("key", "operator")


@pytest.mark.parametrize(
    "changes",
    [
        {"customer_id": ""},
        {"customer_id": "c" * 129},
        {"customer_id": "a\0b"},
        {"customer_id": 7},
        {"resource_key": None},
        {"reason_code": None},
        {"decision_id": "d" * 129},
        {"allowed": "yes"},
        {"allowed": None},
        {"decided_at": None},
        {"decided_at": "yesterday"},
        {"decided_at": "2026-01-01T00:00:00"},
        {"decided_at": (NOW + timedelta(minutes=6)).isoformat()},
        {"decided_at": (NOW - timedelta(days=91)).isoformat()},
        {"decided_at": "9999-12-31T23:59:59-23:59"},
        {"source": "SERVICE"},
        {"source": []},
        {"count": 0},
        {"count": True},
        {"count": COUNT_MAX + 1},
    ],
)
def test_a_report_that_lacks_what_a_row_needs_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        reported(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"context": None},
        {"context": "x"},
        {"context": {"client": [], "resource": 1, "request_id": {}}},
        {"context": {"client": {"user_agent": "\0\udcff" + "a" * 100_000}}},
        {"as_of": None},
        {"as_of": {"position": 1, "lag_ms": "x"}},
        {"quantity": "many"},
        {"quantity": -1},
        {"quantity": 2**80},
        {"policy_version": None},
        {"subject_id": None},
        {"decision_id": None},
        {"more": {"than": "we know"}},
    ],
)
def test_whatever_else_a_client_says_the_record_can_be_written(changes: dict[str, Any]) -> None:
    entry = reported(**changes)
    assert Wire().decode_plain(Wire().encode_plain(ACCESS_DECIDED, entry)).record == entry
    assert len(entry["user_agent"]) <= 512
    assert not any("\0" in value for value in entry.values() if isinstance(value, str))


def test_a_report_without_an_id_has_the_same_id_when_it_is_sent_again() -> None:
    ids = {reported(decision_id=None, quantity=quantity)["decision_id"] for quantity in (1, 1, 2)}
    assert len(ids) == 2
