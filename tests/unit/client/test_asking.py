"""Answers from memory, what makes them stale, and what is answered while the service is away: no server, a clock of our own."""

from __future__ import annotations

from typing import Any

import pytest
from scripted import NO_POLICIES, decision, feature, quota, view

from entitlements_client.asking.asking import AWAY_FOR, SILENT_FOR, Asking, ByAge, Freshness, Never
from entitlements_client.asking.changes import Change
from entitlements_client.asking.failing import FailClosed, FailOpen, FailureModes, Grace
from entitlements_client.asking.following import BEHIND_FOR, Heard
from entitlements_client.asking.memory import Memory
from entitlements_client.asking.ways import Local
from entitlements_client.deciding import CustomerView, Decision, Request
from entitlements_client.errors import (
    EntitlementsError,
    NotFound,
    RequestError,
    ServiceIsAway,
    Unauthenticated,
    error_of,
)
from entitlements_client.transport.results import Fetched

SSO = Request("acme", "sso")
LOCAL = Local(bound=10.0, refresh=60.0)


class Bench:
    """One customer's world: what the service would answer now, and whether it answers at all."""

    def __init__(self, freshness: Freshness, modes: FailureModes | None = None, *, decides_here: bool = True) -> None:
        self.now, self.asked, self.wanted = 1000.0, list[str](), list[str]()
        self.view, self.etag = view(sso=feature(), api_calls=quota(7)), '"1"'
        self.policies, self.policies_etag = NO_POLICIES, '"p"'
        self.away: EntitlementsError | None = None
        self.asking = Asking(
            Memory(100), freshness, modes or FailureModes(), decides_here=decides_here, clock=lambda: self.now
        )
        self.asking.wants = self.wanted.append

    def check(self, request: Request = SSO) -> Decision:
        known = self.asking.known(request)
        return known if known is not None else self.run(self.asking.finding_out(request))

    def load_all(self) -> None:
        self.run(self.asking.loading_policies())
        self.load()

    def load(self) -> bool:
        return bool(self.run(self.asking.loading("acme")))

    def run(self, steps: Any) -> Any:
        try:
            call = next(steps)
            while True:
                self.asked.append(call.path)
                call = steps.throw(self.away) if self.away else steps.send(self._answer(call))
        except StopIteration as end:
            return end.value

    def _answer(self, call: Any) -> Any:
        etag = call.headers.get("If-None-Match")
        if call.path == "/v1/check":
            return Decision.from_document(decision(call.body["customer_id"], call.body["resource_key"]))
        if call.path == "/v1/policy-set":
            return Fetched(None if etag == self.policies_etag else self.policies, self.policies_etag)
        return Fetched(None if etag == self.etag else CustomerView.from_document(self.view), self.etag)


def revocation(position: str = "0:20", key: str = "sso", pool: str = "pool") -> Change:
    return Change.from_document(
        {
            "type": "entitlement.revoked",
            "customer_id": "acme",
            "resource_key": key,
            "pool_id": pool,
            "position": position,
        }
    )


def grace(seconds: float) -> FailureModes:
    return FailureModes(otherwise=Grace(seconds))


# --- Remote and cached ---


def test_remote_asks_every_time() -> None:
    bench = Bench(Never(), decides_here=False)
    assert [bench.check().source, bench.check().source] == ["SERVICE", "SERVICE"]
    assert bench.asked == ["/v1/check", "/v1/check"]


def test_cached_asks_once_and_says_so() -> None:
    bench = Bench(ByAge(30.0, 30.0))
    assert (bench.check().source, bench.check(Request("acme", "api_calls", 8)).reason_code) == (
        "CACHED",
        "quota_exceeded",
    )
    assert bench.asked == ["/v1/policy-set", "/v1/customers/acme/entitlements"]


def test_after_its_time_to_live_an_answer_is_stale_and_its_view_wanted_anew() -> None:
    bench = Bench(ByAge(30.0, 30.0))
    bench.check()
    bench.now += 31
    assert (bench.check().source, bench.wanted) == ("STALE", ["acme", ""])
    bench.load_all()
    assert bench.check().source == "CACHED"


def test_an_answer_is_never_older_than_both_together() -> None:
    bench = Bench(ByAge(30.0, 30.0))
    bench.check()
    bench.now += 61
    bench.view, bench.etag = view(sso=feature(allowed=False)), '"2"'
    assert (bench.check().allowed, bench.check().source) == (False, "CACHED")


def test_what_is_unchanged_is_fresh_again_without_being_told_again() -> None:
    bench = Bench(ByAge(30.0, 0.0))
    first = bench.check()
    bench.now += 31
    assert bench.check().source == "CACHED"
    assert first.as_of == bench.check().as_of


def test_policies_are_no_older_than_views_may_be() -> None:
    bench = Bench(ByAge(30.0, 30.0))
    assert bench.check().allowed
    deny = {"policy_id": "p", "name": "No", "effect": "DENY", "resource_keys": ["sso"]}
    bench.policies, bench.policies_etag = NO_POLICIES | {"version": 1, "policies": [deny]}, '"q"'
    bench.now += 31
    bench.load()
    assert bench.check().source == "STALE", "the view was read just now, and the policies were not"
    assert bench.wanted[-1] == ""
    bench.run(bench.asking.loading_policies())
    assert (bench.check().reason_code, bench.check().source) == ("policy_denied", "CACHED")
    bench.policies, bench.policies_etag = NO_POLICIES, '"p"'
    bench.now += 61
    assert bench.check().allowed, "beyond the bound nobody is answered by old policies"


def test_an_entry_whose_time_is_over_is_left_to_the_service() -> None:
    bench = Bench(ByAge(30.0, 30.0))
    bench.view = view(sso=feature(valid_until="2020-01-01T00:00:00Z"))
    assert bench.check().source == "SERVICE"
    bench.away = ServiceIsAway()
    again = bench.check()
    assert again.source == "STALE", "what the service said itself may be known still"
    other = bench.check(Request("acme", "sso", subject_id="ann"))
    assert (other.allowed, other.source) == (False, "FALLBACK"), "a grace does not prolong what has ended"


def test_policies_that_this_version_does_not_know_are_left_to_the_service() -> None:
    bench = Bench(ByAge(30.0, 30.0))
    bench.policies = NO_POLICIES | {"policies": [{"policy_id": "p", "effect": "ASK_A_HUMAN"}]}
    assert [bench.check().source, bench.check().source] == ["SERVICE", "SERVICE"]


# --- Failure modes ---


@pytest.mark.parametrize("freshness", [Never(), ByAge(30.0, 30.0), Heard(LOCAL)], ids=["remote", "cached", "local"])
@pytest.mark.parametrize(
    ("mode", "allowed", "code"),
    [(FailOpen(), True, "failed_open"), (FailClosed(), False, "failed_closed"), (Grace(60.0), False, "grace_is_over")],
)
def test_where_nothing_is_known_the_mode_answers_and_says_fallback(
    freshness: Freshness, mode: Any, *, allowed: bool, code: str
) -> None:
    bench = Bench(freshness, FailureModes(otherwise=mode), decides_here=not isinstance(freshness, Never))
    bench.away = ServiceIsAway()
    found = bench.check()
    assert (found.allowed, found.reason_code, found.source) == (allowed, code, "FALLBACK")


def test_a_wrong_key_is_named_with_what_to_do_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """It looked like an outage."""
    bench = Bench(Never(), decides_here=False)
    bench.away = Unauthenticated()
    for _ in range(3):
        found = bench.check()
        bench.now += AWAY_FOR
    assert found.sentence.endswith("(unauthenticated: check the API key)")
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "unauthenticated: check the API key" in caplog.text
    bench.now += SILENT_FOR + AWAY_FOR
    bench.check()
    assert len(caplog.records) == 2, "a new outage"


@pytest.mark.parametrize("freshness", [Never(), ByAge(5.0, 5.0), Heard(LOCAL)], ids=["remote", "cached", "local"])
def test_a_grace_gives_what_was_known_last_and_ends(freshness: Freshness) -> None:
    bench = Bench(freshness, grace(60.0), decides_here=not isinstance(freshness, Never))
    first = bench.check()
    bench.away = ServiceIsAway()
    bench.now += 50
    during = bench.check()
    assert (during.allowed, during.source) == (True, "STALE")
    assert first.source != "STALE", "an answer that was given is not changed afterwards"
    bench.now += 11
    after = bench.check()
    assert (after.allowed, after.source, after.reason_code) == (False, "FALLBACK", "grace_is_over")


def test_each_key_has_its_own_mode_the_first_that_fits() -> None:
    modes = FailureModes({"premium_*": FailClosed(), "*_export": FailOpen()}, otherwise=Grace(60.0))
    assert [modes.of(key) for key in ("premium_export", "csv_export", "sso")] == [FailClosed(), FailOpen(), Grace(60.0)]


def test_while_the_service_is_away_not_every_request_waits_for_it() -> None:
    bench = Bench(Never(), FailureModes(otherwise=FailOpen()), decides_here=False)
    bench.away = ServiceIsAway()
    assert {bench.check().source for _ in range(5)} == {"FALLBACK"}
    assert len(bench.asked) == 1
    bench.now, bench.away = bench.now + 2, None
    assert bench.check().source == "SERVICE"


def test_a_key_that_was_revoked_is_an_outage_for_those_who_ask() -> None:
    bench = Bench(Never(), FailureModes(otherwise=FailOpen()), decides_here=False)
    bench.away = Unauthenticated()
    found = bench.check()
    assert found.allowed
    assert "unauthenticated" in found.sentence


@pytest.mark.parametrize("freshness", [Never(), ByAge(5.0, 5.0)], ids=["remote", "cached"])
def test_a_url_with_a_path_that_the_api_does_not_have_is_an_outage_and_named(freshness: Freshness) -> None:
    bench = Bench(freshness, FailureModes(otherwise=FailOpen()), decides_here=not isinstance(freshness, Never))
    bench.away = error_of(404, {"code": "not_found", "detail": "Not Found"})
    found = bench.check()
    assert (found.allowed, found.source) == (True, "FALLBACK")
    assert found.sentence.endswith("(not_found: check the URL of the service)")
    bench.now += AWAY_FOR
    assert [each.source for each in bench.run(bench.asking.finding_out_all([SSO]))] == ["FALLBACK"]


def test_what_a_request_names_and_does_not_exist_is_raised() -> None:
    bench = Bench(Never(), FailureModes(otherwise=FailOpen()), decides_here=False)
    bench.away = error_of(404, {"code": "unknown_pool", "detail": "No such pool."})
    with pytest.raises(NotFound, match="No such pool"):
        bench.check()


def test_a_request_that_is_wrong_is_told_to_whoever_made_it() -> None:
    bench = Bench(Never(), FailureModes(otherwise=FailOpen()), decides_here=False)
    bench.away = RequestError("no such thing")
    with pytest.raises(RequestError):
        bench.check()


# --- Following changes ---


class Following(Bench):
    """The stream was connected long ago, and is heard."""

    def __init__(self, modes: FailureModes | None = None) -> None:
        self.heard = Heard(LOCAL)
        super().__init__(self.heard, modes)
        self.heard.covered_since, self.heard.heard_at = self.now - 100, self.now

    def hear(self, change: Change) -> bool:
        self.heard.heard_at = self.now
        return self.asking.memory.apply(change, fresh_until=self.now + LOCAL.bound)


def test_what_the_stream_vouches_for_is_local_however_long_ago_it_was_read() -> None:
    bench = Following()
    bench.check()
    bench.now += 59
    bench.heard.heard_at = bench.now
    assert bench.check().source == "LOCAL"
    assert not bench.wanted
    bench.now += 2
    bench.heard.heard_at = bench.now
    assert (bench.check().source, bench.wanted) == ("LOCAL", ["acme", ""]), "what was consumed is not in the stream"


def test_a_revocation_counts_at_once_and_until_something_newer_is_read() -> None:
    bench = Following()
    assert bench.check().allowed
    assert bench.hear(revocation())
    refused = bench.check()
    assert (refused.allowed, refused.reason_code, refused.source) == (False, "revoked", "LOCAL"), "nobody knows why yet"
    assert not bench.load(), "a view that is older than the revocation is not taken"
    assert not bench.check().allowed
    bench.view, bench.etag = view(position="0:20", sso=feature(allowed=False, reason_code="provision_suspended")), '"s"'
    assert bench.load()
    assert bench.check().reason_code == "provision_suspended"
    bench.view, bench.etag = view(position="0:21", sso=feature()), '"2"'
    assert bench.load()
    assert bench.check().allowed


def test_a_revocation_that_the_view_includes_already_changes_nothing() -> None:
    bench = Following()
    bench.view = view(position="0:20,1:3", sso=feature())
    bench.check()
    assert not bench.hear(revocation("0:20"))
    assert bench.check().allowed


def test_what_another_pool_confers_is_not_taken_away_by_a_revocation() -> None:
    bench = Following()
    bench.check()
    assert bench.hear(revocation(pool="another"))
    assert bench.check().allowed


def test_what_was_inherited_through_a_revoked_key_is_left_to_the_service() -> None:
    bench = Following()
    bench.view = view(suite=feature(), sso=feature(reason_code="inherited", inherited_path=["suite", "sso"]))
    assert bench.check().source == "LOCAL"
    bench.hear(revocation(key="suite"))
    bench.asked.clear()
    assert bench.check().source == "SERVICE"


@pytest.mark.parametrize("revokes", [{"key": "credits"}, {"pool": "later"}, {"key": "suite"}])
def test_what_rests_on_what_was_revoked_is_not_given_while_the_service_is_away(revokes: dict[str, str]) -> None:
    """Credits, a pool that usage goes on to, a key that grants this one."""
    rests_on = [{"pool_id": "pool", "resource_key": "credits"}, {"pool_id": "later", "resource_key": "sso"}]
    bench = Following(grace(300.0))
    bench.view = view(
        suite=feature(), sso=feature(reason_code="inherited", inherited_path=["suite"], rests_on=rests_on)
    )
    assert bench.check().allowed
    bench.away = ServiceIsAway()
    bench.hear(revocation(pool="another", key="credits"))
    assert bench.check().allowed, "it rests on the credits of no other pool"
    bench.hear(revocation("0:21", **revokes))
    assert (bench.check().allowed, bench.check().reason_code) == (False, "grace_is_over")


def test_a_view_that_lacks_a_change_heard_before_anybody_asked_is_not_taken() -> None:
    bench = Following()
    bench.hear(revocation("0:20"))
    assert bench.check().source == "SERVICE"
    bench.view = view(position="0:20")
    assert (bench.check().source, bench.check().allowed) == ("LOCAL", False)


def test_views_are_read_again_before_the_silence_is_too_long() -> None:
    bench = Following(FailureModes(otherwise=FailClosed()))
    bench.check()
    bench.now += 8
    assert (bench.check().source, bench.wanted) == ("LOCAL", ["acme", ""])
    bench.load_all()
    bench.now += 3
    assert (bench.check().source, bench.check().allowed) == ("CACHED", True), (
        "where only the stream is cut nobody is refused"
    )


def test_silence_beyond_the_bound_makes_answers_stale() -> None:
    bench = Following(grace(60.0))
    bench.check()
    bench.now += 10.5
    assert bench.check().source == "STALE"
    assert bench.wanted == ["acme", ""]
    bench.load_all()
    assert bench.check().source == "CACHED", "read anew it is fresh by itself, though nobody vouches for it"


def test_a_closed_mode_refuses_when_the_stream_is_silent() -> None:
    bench = Following(FailureModes(otherwise=FailClosed()))
    bench.check()
    bench.now += 10.5
    found = bench.check()
    assert (found.allowed, found.source) == (False, "FALLBACK")


def test_a_view_is_vouched_for_only_if_it_was_read_after_the_stream_began() -> None:
    bench = Following()
    bench.check()
    bench.now += 1
    bench.heard.covered_since = bench.heard.heard_at = bench.now
    assert (bench.check().source, bench.wanted) == ("CACHED", [])
    bench.now += BEHIND_FOR + 0.1
    bench.check()
    assert bench.wanted == ["acme", ""]
    bench.load_all()
    assert bench.check().source == "LOCAL"


def test_after_a_gap_in_the_stream_what_was_vouched_for_ages_from_there() -> None:
    bench = Following(grace(600.0))
    bench.check()
    bench.now += 50
    bench.heard.heard_at = bench.now
    assert bench.check().source == "LOCAL"
    bench.asking.memory.vouch(bench.heard.covered_since + BEHIND_FOR, bench.heard.heard_at)
    bench.heard.covered_since = bench.now
    assert bench.check().source == "CACHED", "a moment ago it was vouched for"
    bench.now += 10.5
    bench.heard.heard_at = bench.now
    assert bench.check().source == "STALE"


def test_a_change_that_cannot_be_read_for_longer_than_the_bound_is_not_passed_over() -> None:
    bench = Following(grace(60.0))
    bench.check()
    change = Change.from_document({"type": "entitlement.changed", "customer_id": "acme", "position": "0:20"})
    assert bench.hear(change)
    assert bench.check().source == "LOCAL"
    bench.now += 10.5
    bench.heard.heard_at = bench.now
    assert bench.check().source == "STALE"


def test_memory_has_a_bound_and_forgets_who_was_read_longest_ago() -> None:
    memory_of = Bench(ByAge(30.0, 30.0))
    for number in range(150):
        memory_of.view = view(f"c{number}", sso=feature())
        memory_of.run(memory_of.asking.loading(f"c{number}"))
    assert memory_of.asking.memory.customers() == [f"c{number}" for number in range(50, 150)]
