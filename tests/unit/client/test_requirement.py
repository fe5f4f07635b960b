"""Who may draw on a lease: what requires_entitlement(record_usage="lease") asks before it takes anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modelled import ModelBehindHttp, ModelService
from scripted import NO_POLICIES, Asked, Reply, Script, ScriptedService, decision, quota, view

from entitlements_client import AsyncEntitlements, Cached, Entitlements, LeaseTerms, Remote, UsageBuffer
from entitlements_client.frameworks import requirement
from entitlements_client.frameworks.requirement import Requirement, pass_awaiting, pass_waiting

Serve = Callable[[Script], ScriptedService]
LEASED = Requirement[str](resource_key="api_calls", record_usage="lease", quantity=1)
TERMS = LeaseTerms(quantity=3, term=5, margin=1.0, settle_every=0.05, unsettled_max=3)
NO_BOB = {
    "policy_id": "no-bob",
    "name": "No Bob",
    "effect": "DENY",
    "resource_keys": ["api_calls"],
    "conditions": [{"field": "subject.id", "operator": "equals", "value": "bob"}],
}


class Office:
    """A customer with a quota of three, policies, and a service that decides about subjects with caps."""

    def __init__(self, serve: Serve) -> None:
        self.quota = ModelBehindHttp(ModelService(3))
        self.view, self.policies = view(api_calls=quota(3, 3)), NO_POLICIES
        self.check = decision(resource_key="api_calls")
        self.server = serve(self._script)

    def _script(self, asked: Asked) -> Reply | None:
        if asked.path == "/v1/policy-set":
            return 200, self.policies
        if asked.path == "/v1/check":
            return 200, self.check
        return (200, self.view) if asked.path.startswith("/v1/customers/") else self.quota(asked)

    @property
    def was_drawn(self) -> bool:
        return any(asked.path.startswith("/v1/reservations") for asked in self.server.asked)


@pytest.fixture
def office(serve: Serve) -> Office:
    return Office(serve)


def asked_of(entitlements: Any) -> requirement.Asked[str]:
    return requirement.Asked(entitlements=entitlements, customer=lambda _: "acme", subject=lambda request: request)


def outcomes(office: Office, way: Any, *subjects: str, is_async: bool = False) -> list[str]:
    """What comes of a request of each subject, one after the other: the reason code, or LEASE."""

    def waiting() -> list[str]:
        with Entitlements(office.server.service(), way, leases=TERMS) as entitlements:
            return [one(lambda subject=subject: pass_waiting(LEASED, asked_of(entitlements), subject)) for subject in subjects]  # fmt: skip

    async def awaiting() -> list[str]:
        found = []
        async with AsyncEntitlements(office.server.service(), way, leases=TERMS) as entitlements:
            for subject in subjects:
                try:
                    passed = await pass_awaiting(LEASED, asked_of(entitlements), subject)
                    found.append(passed.decision.source)
                except requirement.EntitlementRequired as refusal:
                    found.append(refusal.decision.reason_code)
        return found

    def one(passing: Callable[[], requirement.Passed]) -> str:
        try:
            return passing().decision.source
        except requirement.EntitlementRequired as refusal:
            return refusal.decision.reason_code

    return asyncio.run(awaiting()) if is_async else waiting()


both = pytest.mark.parametrize("is_async", [False, True], ids=["waiting", "awaited"])


@both
def test_a_policy_denies_before_a_lease_is_drawn_on(office: Office, *, is_async: bool) -> None:
    office.policies = NO_POLICIES | {"version": 1, "policies": [NO_BOB]}
    assert outcomes(office, Cached(), "bob", is_async=is_async) == ["policy_denied"]
    assert not office.was_drawn
    assert outcomes(office, Cached(), "ann", "bob", is_async=is_async) == ["LEASE", "policy_denied"]


@both
def test_the_service_is_asked_for_a_subject_who_may_be_capped(office: Office, *, is_async: bool) -> None:
    office.view = view(api_calls=quota(3, 3, has_subject_caps=True))
    office.check = decision(resource_key="api_calls", allowed=False) | {"reason_code": "member_cap_reached"}
    assert outcomes(office, Cached(), "ann", is_async=is_async) == ["member_cap_reached"]
    assert outcomes(office, Remote(), "ann", is_async=is_async) == ["member_cap_reached"]
    assert not office.was_drawn
    assert outcomes(office, Cached(), "", is_async=is_async) == ["LEASE"], "the cap is none of the customer's"


@pytest.mark.parametrize("remaining", [3, 0])
def test_a_role_that_is_too_low_draws_nothing_whatever_is_left(office: Office, remaining: int) -> None:
    office.view = view(api_calls=quota(remaining, 3, min_role="editor")) | {
        "members": {"eve": "viewer", "ed": "editor"}
    }
    assert outcomes(office, Cached(), "eve", "ed") == ["role_is_too_low", "LEASE"]


@pytest.mark.parametrize("code", ["quota_exceeded", "member_cap_reached"])
def test_what_a_lease_holds_is_handed_out_though_it_counts_as_used(
    office: Office, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[Any] = []
    monkeypatch.setattr("entitlements_client.access_log.AccessReports.note", lambda *said: noted.append(said))
    office.view = view(api_calls=quota(0, 3) | {"reason_code": code})
    assert outcomes(office, Cached(), *["ann"] * 4) == ["LEASE"] * 3 + ["quota_exceeded"]
    assert noted == [], "the log is told of no refusal that was none"


def test_what_was_revoked_for_a_reason_that_is_not_read_yet_is_no_reason_to_upgrade(office: Office) -> None:
    view_only = Requirement[str](resource_key="api_calls")
    office.view = view(api_calls=quota(3, 3) | {"allowed": False, "reason_code": "revoked"})
    with (
        Entitlements(office.server.service(), Cached()) as entitlements,
        pytest.raises(requirement.EntitlementsUnavailable) as refusal,
    ):
        pass_waiting(view_only, asked_of(entitlements), "ann")
    assert refusal.value.reason_code == "revoked"
    assert "upgrade_url" not in refusal.value.document()


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_stays_as_it_is_though_the_client_was_closed_before_it(
    office: Office, tmp_path: Path, status: int
) -> None:
    """A graceful restart closes the client while requests are under way: their usage waits on disk for the next start."""
    file = tmp_path / "usage.sqlite"
    with Entitlements(office.server.service(), Cached(), leases=TERMS, usage=UsageBuffer(file)) as entitlements:
        after = Requirement[str](resource_key="api_calls", record_usage="after", quantity=2)
        passed = [pass_waiting(one, asked_of(entitlements), "ann") for one in (after, LEASED)]
    for one in passed:
        one.ended(status)
    buffer = UsageBuffer(file)
    assert buffer.progress().waiting == (1 if status == 200 else 0)
    buffer.close()
