"""A newer view overrules what the service decided of a subject before it: a grace never allows what the client knows to be denied."""

from __future__ import annotations

from typing import Any

import pytest
from scripted import NO_POLICIES, quota, view
from test_asking import Bench, grace

from entitlements_client.asking.asking import ByAge
from entitlements_client.deciding import Request
from entitlements_client.errors import ServiceIsAway

ANN = Request("acme", "api_calls", 1, subject_id="ann")
DENIED = {"allowed": False, "remaining": 0, "limit": 0}


class Away(Bench):
    """Ann was allowed by the service; then the view or the policies are read again, and the service goes away."""

    def __init__(self, first: dict[str, Any]) -> None:
        super().__init__(ByAge(5.0, 5.0), grace(300.0))
        self.view = first
        assert self.check(ANN).source == "SERVICE"

    def read(self, document: dict[str, Any], policies: dict[str, Any] = NO_POLICIES, *, later: float = 1.0) -> None:
        self.now += later
        self.view, self.etag, self.policies, self.policies_etag = document, '"2"', policies, '"q"'
        self.load_all()
        self.away = ServiceIsAway()
        self.now += 20.0

    def answer(self, request: Request = ANN) -> tuple[bool, str, str]:
        found = self.check(request)
        return found.allowed, found.reason_code, found.source


def capped(**more: Any) -> dict[str, Any]:
    return view(api_calls=quota(9, has_subject_caps=True) | more)


def members_unknown(**more: Any) -> dict[str, Any]:
    return view(api_calls=quota(9, min_role="editor") | more) | {"members_complete": False}


@pytest.mark.parametrize("code", ["provision_suspended", "not_entitled", "overridden", "denied", "quota_exceeded"])
@pytest.mark.parametrize("of", [capped, members_unknown])
def test_what_a_newer_view_denies_to_all_no_older_decision_allows(of: Any, code: str) -> None:
    bench = Away(of())
    bench.read(of(**DENIED, reason_code=code))
    assert bench.answer() == (False, code, "STALE")


def test_what_a_newer_view_does_not_have_at_all_is_not_allowed_either() -> None:
    bench = Away(members_unknown())
    allow = {"policy_id": "p", "name": "P", "effect": "ALLOW", "resource_keys": ["api_calls"]}
    allow["conditions"] = [{"field": "subject.role", "operator": "equals", "value": "admin"}]
    bench.read(view() | {"members_complete": False}, NO_POLICIES | {"version": 1, "policies": [allow]})
    assert bench.answer() == (False, "not_entitled", "STALE")


def test_a_newer_policy_denies_too() -> None:
    bench = Away(capped())
    deny = {"policy_id": "p", "name": "P", "effect": "DENY", "resource_keys": ["api_calls"]}
    bench.read(capped(), NO_POLICIES | {"version": 1, "policies": [deny]})
    assert bench.answer() == (False, "policy_denied", "STALE")


def test_a_denial_that_has_ended_since_does_not_bring_the_older_answer_back() -> None:
    bench = Away(capped())
    bench.read(capped(**DENIED, reason_code="overridden", ends_at="2020-01-01T00:00:00Z"))
    assert bench.answer() == (False, "grace_is_over", "FALLBACK")


def test_a_decision_that_is_newer_than_the_view_stands() -> None:
    bench = Away(capped())
    bench.read(capped(**DENIED, reason_code="overridden"), later=-1.0)
    assert bench.answer() == (True, "allowed", "STALE")


def test_a_view_read_earlier_that_includes_more_of_the_ledger_is_newer() -> None:
    bench = Away(capped())
    bench.read(capped(**DENIED, reason_code="overridden") | {"as_of": {"position": "0:11"}}, later=-1.0)
    assert bench.answer() == (False, "overridden", "STALE")


def test_what_a_newer_view_still_allows_is_left_to_the_last_decision() -> None:
    bench = Away(capped())
    bench.read(capped())
    assert bench.answer() == (True, "allowed", "STALE")
    assert bench.answer(Request("acme", "api_calls", 1, subject_id="bob"))[2] == "FALLBACK"
