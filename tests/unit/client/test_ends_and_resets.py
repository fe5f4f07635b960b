"""What is known in advance while the service is away: an end takes away in every way to decide, a reset takes nothing."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from scripted import NO_POLICIES, decision, feature, quota, view
from test_asking import LOCAL, SSO, Bench, Following, grace, revocation

from entitlements_client.asking.asking import ByAge, Freshness, Never
from entitlements_client.asking.failing import FailClosed, FailureModes, Grace
from entitlements_client.asking.following import Heard
from entitlements_client.deciding import CustomerView, Decision, PolicySet, Request, decide
from entitlements_client.errors import ServiceIsAway

#: Of the wall clock, while no second passes on the other one.
NOON = datetime(2026, 6, 16, 12, tzinfo=UTC)
SOON, LATER = "2026-06-16T12:01:00Z", "2026-06-16T13:00:00Z"
CALLS = Request("acme", "api_calls", 9)


class Known(Bench):
    """A world whose service has answered once, by the client's own rules, which are the service's; since then it is away."""

    def __init__(
        self, way: Freshness, entries: dict[str, Any], policies: list[Any], request: Request, mode: Any, **more: Any
    ) -> None:
        super().__init__(way, FailureModes(otherwise=mode), decides_here=not isinstance(way, Never))
        self.at = NOON
        self.asking._wall = self._wall
        self.view = view(**entries) | more
        self.policies = NO_POLICIES | {"policies": policies}
        self.asking_for = request
        self.first = self.check(request)
        self.away = ServiceIsAway()

    def _wall(self) -> float:
        return self.at.timestamp()

    def _answer(self, call: Any) -> Any:
        if call.path != "/v1/check":
            return super()._answer(call)
        said = CustomerView.from_document(self.view), PolicySet.compile(self.policies)
        found = decide(*said, Request.from_document(call.body), self.at.timestamp())
        return Decision.from_document(found.to_document(), "SERVICE")

    def after(self, **passed: float) -> Decision:
        self.at += timedelta(**passed)
        return self.check(self.asking_for)


#: Remote remembers decisions; the others views, both within their bound and long after it.
WAYS: dict[str, Any] = {"remote": Never, "cached": lambda: ByAge(30.0, 30.0), "local": lambda: Heard(LOCAL)}


@pytest.fixture(params=WAYS.values(), ids=WAYS)
def way(request: pytest.FixtureRequest) -> Freshness:
    found: Freshness = request.param()
    return found


GRANT = {"provision_id": "g", "source": "grant", "ends_at": SOON}
FOR_EVER = {"provision_id": "s", "source": "subscription", "ends_at": None}
HOURS = {"policy_id": "p", "effect": "ALLOW", "resource_keys": ["sso"], "temporal": {"from": "09:00", "until": "12:01"}}
UNTIL = HOURS | {"temporal": {"ends_at": SOON}}
NIGHT = HOURS | {"effect": "DENY", "temporal": {"from": "12:01", "until": "06:00"}}
TIER = HOURS | {"temporal": None, "conditions": [{"field": "subscription.tier", "operator": "equals", "value": "pro"}]}
ENDING: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "a grant": ({"sso": feature(ends_at=SOON, valid_until=SOON, contributions=[GRANT])}, []),
    "a grant beside a subscription": (
        {"sso": feature(ends_at=SOON, valid_until=SOON, contributions=[GRANT, FOR_EVER])},
        [],
    ),
    "a grant, by its contribution alone": (
        {"sso": feature(resets_at=SOON, valid_until=SOON, contributions=[GRANT])},
        [],
    ),
    "an override": ({"sso": feature(ends_at=SOON, valid_until=SOON, contributions=[FOR_EVER])}, []),
    "an override after a reset": ({"sso": feature(ends_at=SOON, valid_until=NOON.isoformat())}, []),
    "the time of the key": ({"sso": feature(constraints={"end_date": "2026-06-16T12:00:59Z"})}, []),
    "the time of a key that grants it": (
        {
            "sso": feature(reason_code="inherited", inherited_path=["suite"]),
            "suite": feature(constraints={"end_date": "2026-06-16T12:00:59Z"}),
        },
        [],
    ),
    "the hours of a policy that allows": ({}, [HOURS]),
    "a policy that allows": ({}, [UNTIL]),
    "the hours before a policy that denies": ({"sso": feature()}, [NIGHT]),
}


@pytest.mark.parametrize(("entries", "policies"), ENDING.values(), ids=ENDING)
def test_a_grace_never_prolongs_what_has_ended(way: Freshness, entries: dict[str, Any], policies: list[Any]) -> None:
    bench = Known(way, entries, policies, SSO, Grace(600.0))
    assert bench.first.allowed
    bench.now += 61  # Nothing is within its bound any more.
    assert bench.after(seconds=59.9).allowed
    assert bench.check().source == "STALE"
    assert not bench.after(seconds=0.1).allowed
    assert not bench.after(hours=3).allowed


def test_what_a_policy_allows_to_a_plan_ends_with_the_plan(way: Freshness) -> None:
    plan = {"subscription": {"tier": "pro", "ends_at": SOON}}
    bench = Known(way, {}, [TIER], SSO, Grace(600.0), **plan)
    assert bench.first.allowed
    assert bench.after(seconds=59).allowed
    assert not bench.after(seconds=1).allowed, "within the bound"
    bench.now += 61
    assert not bench.check().allowed, "and in grace"


RESETTING: dict[str, dict[str, Any]] = {
    "as the service tells it": quota(9, 10, resets_at=SOON, valid_until=SOON, ends_at=None),
    "with an end to come": quota(9, 10, resets_at=SOON, valid_until=SOON, ends_at=LATER),
    "with no word of an end": quota(9, 10, resets_at=SOON, valid_until=SOON, contributions=[FOR_EVER]),
    "of a cap": quota(9, 10, resets_at=LATER, valid_until=SOON, ends_at=None),
}


@pytest.mark.parametrize("entry", RESETTING.values(), ids=RESETTING)
@pytest.mark.parametrize("age", [0, 61], ids=["within the bound", "in grace"])
def test_a_reset_that_is_known_in_advance_takes_nothing_away(way: Freshness, entry: dict[str, Any], age: float) -> None:
    bench = Known(way, {"api_calls": entry}, [], CALLS, Grace(600.0))
    assert (bench.first.allowed, bench.first.remaining) == (True, 9)
    bench.now += age
    assert bench.after(seconds=59).allowed
    for _ in range(3):
        found = bench.after(seconds=1)
        assert (found.allowed, found.remaining, found.reason_code) == (True, 9, "allowed")
        bench.now += 0.1


def test_a_closed_mode_refuses_nobody_by_a_reset_within_the_bound() -> None:
    bench = Known(ByAge(30.0, 30.0), {"api_calls": RESETTING["of a cap"]}, [], CALLS, FailClosed())
    found = bench.after(seconds=60)
    assert (found.allowed, found.source) == (True, "CACHED")
    bench.now += 61
    assert (bench.check(CALLS).allowed, bench.check(CALLS).source) == (False, "FALLBACK")


def test_what_was_refused_before_a_reset_is_asked_again_and_the_view_read_behind_it() -> None:
    bench = Known(ByAge(30.0, 30.0), {"api_calls": RESETTING["with an end to come"]}, [], CALLS, Grace(600.0))
    more = Request("acme", "api_calls", 10)
    assert bench.check(more).reason_code == "quota_exceeded"
    bench.at += timedelta(seconds=60)
    refused = bench.check(more)
    assert (refused.reason_code, refused.source) == ("quota_exceeded", "STALE"), "known, and not a fallback"
    bench.away = None
    bench.now += 2
    bench.view = view(api_calls=quota(10, 10, resets_at=LATER, valid_until=LATER, ends_at=None))
    found = bench.check(more)
    assert (found.allowed, found.source) == (True, "SERVICE")
    assert bench.wanted == ["acme"]
    bench.etag = '"2"'
    bench.load()
    assert (bench.check(more).allowed, bench.check(more).source) == (True, "CACHED")


def test_a_view_of_which_a_reset_is_due_is_read_again_once_a_second_at_most() -> None:
    bench = Known(ByAge(30.0, 30.0), {"api_calls": RESETTING["of a cap"]}, [], CALLS, Grace(600.0))
    bench.at += timedelta(seconds=60)
    assert [bench.check(CALLS).source for _ in range(3)] == ["CACHED"] * 3
    assert bench.wanted == [], "it was read just now"
    bench.now += 1.1
    bench.check(CALLS)
    assert bench.wanted == ["acme"]


def test_decisions_on_many_are_remembered_as_those_on_one() -> None:
    bench = Bench(Never(), grace(60.0), decides_here=False)
    answers = [Decision.from_document(decision(resource_key=key)) for key in ("sso", "api")]
    requests = [Request("acme", "sso"), Request("acme", "api")]
    steps = bench.asking.finding_out_all(requests)
    next(steps)
    with pytest.raises(StopIteration):
        steps.send(answers)
    bench.away = ServiceIsAway()
    assert [(found.allowed, found.source) for found in map(bench.check, requests)] == [(True, "STALE")] * 2


def test_what_the_service_decided_before_a_revocation_is_not_known_any_more() -> None:
    """A subject with a cap of its own is asked about at the service; its last answer must not outlive what was heard since."""
    ann = Request("acme", "api_calls", 1, subject_id="ann")
    bench = Following(grace(600.0))
    bench.view = view(api_calls=quota(9, has_subject_caps=True))
    assert bench.check(ann).source == "SERVICE"
    bench.away = ServiceIsAway()
    assert bench.check(ann).source == "STALE"
    bench.hear(revocation(key="api_calls"))
    bench.asking.forget("acme")
    assert not bench.check(ann).allowed
    bench.now, bench.away = bench.now + 2, None
    assert bench.check(ann).allowed, "the service says so, by what it knew at 0:10"
    bench.now, bench.away = bench.now + 2, ServiceIsAway()
    assert not bench.check(ann).allowed, "older than the revocation at 0:20, it is not remembered"


def test_without_the_policies_a_view_answers_nothing() -> None:
    """One of them may deny what the customer has."""
    bench = Bench(ByAge(5.0, 5.0), grace(600.0))
    bench.load()
    bench.away = ServiceIsAway()
    assert (bench.check().allowed, bench.check().source) == (False, "FALLBACK")


def test_the_service_tells_when_its_answer_may_end() -> None:
    policies = PolicySet.compile(NO_POLICIES | {"policies": [NIGHT]})
    has = CustomerView.from_document(view(sso=feature(ends_at=LATER), api_calls=quota(1, resets_at=SOON, ends_at=None)))
    found = {key: decide(has, policies, Request("acme", key), NOON) for key in ("sso", "api_calls", "none")}
    assert {key: each.to_document()["ends_at"] for key, each in found.items()} == {
        "sso": SOON, "api_calls": None, "none": None,
    }  # fmt: skip
    again = Decision.from_document(found["sso"].to_document())
    assert (again.ends_at, again.data_type) == (SOON, "boolean")


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kathmandu"])
@pytest.mark.parametrize(
    "temporal",
    [
        {"from": "09:00", "until": "17:30"}, {"from": "22:00", "until": "06:00", "weekdays": ["fri"]}, {"weekdays": ["sun", "mon"]},
        {"starts_at": "2026-03-29T00:30:30Z", "from": "02:15"}, {"ends_at": "2026-03-29T20:00:05Z", "until": "12:00"},
    ],
)  # fmt: skip
def test_the_next_change_of_a_policy_is_the_first_instant_at_which_it_is_otherwise(
    temporal: dict[str, Any], zone: str
) -> None:
    """Over the weekend on which clocks go forward in Europe, second by second around what is told."""
    (policy,) = PolicySet.compile(
        NO_POLICIES | {"policies": [{"policy_id": "p", "effect": "ALLOW", "temporal": temporal | {"time_zone": zone}}]}
    ).policies
    assert policy.applies is not None
    assert policy.changes is not None
    at = first = datetime(2026, 3, 28, 5, tzinfo=UTC).timestamp()
    while at < first + 3 * 86_400:
        until = policy.changes.after(at)
        assert at < until <= at + 86_400
        held = {
            policy.applies(moment)
            for moment in itertools.chain([at, until - 0.001], range(int(at) + 1, int(until), 60))
        }
        assert len(held) == 1
        at = until
