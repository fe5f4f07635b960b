"""The follower and the readers in their threads, against a scripted stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from scripted import NO_POLICIES, Asked, Reply, Script, ScriptedService, decision, eventually, feature, view

from entitlements_client import Cached, Context, Entitlements, Grace, Local, Request, Sampling
from entitlements_client.asking import following

Serve = Callable[[Script], ScriptedService]
SSO = Request("acme", "sso")


@dataclass
class Told:
    """What the stream tells, and what views say. beats: whether there is a sign of life while there is nothing to tell.

    missed: what is told first to whoever goes on, before it is told that this is all; None: never. reads: whether views are told.
    """

    lines: list[str] = field(default_factory=list)
    missed: list[str] | None = field(default_factory=list)
    place: str = "c0:1"
    view: dict[str, Any] = field(default_factory=lambda: view(sso=feature()))
    etag: int = 1
    policies: dict[str, Any] = field(default_factory=lambda: dict(NO_POLICIES))
    beats: bool = True
    reads: bool = True
    ends_after: int = 1_000_000
    consistency: list[str] = field(default_factory=list)
    more: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, event: str, data: str, place: str) -> None:
        with self.more:
            self.place = place
            self.lines.append(f"id: {place}\nevent: {event}\ndata: {data}\n\n")
            self.more.notify_all()

    def change(self, kind: str, position: str, place: str) -> None:
        data = (
            f'{{"type": "entitlement.{kind}", "customer_id": "acme", "resource_key": "sso", "pool_id": "pool", '
            f'"position": "{position}"}}'
        )
        self.tell("change", data, place)

    def sees(self, position: str, **entries: Any) -> None:
        self.view, self.etag = view(position=position, **entries), self.etag + 1

    def stream(self) -> Iterator[str]:
        told = 0
        yield from self.missed or []
        if self.missed is not None:
            yield f"id: {self.place}\nevent: hello\ndata: {{}}\n\n"
        while told < self.ends_after:
            with self.more:
                self.more.wait_for(lambda told=told: len(self.lines) > told, 0.05)
                fresh, told = self.lines[told:], len(self.lines)
            yield from fresh or ([": alive\n\n"] if self.beats else [])

    def __call__(self, asked: Asked) -> Reply | None:
        if asked.path.startswith("/v1/changes"):
            return 200, self.stream
        if not self.reads:
            return None
        if asked.path == "/v1/policy-set":
            return 200, self.policies, {"etag": f'"{self.policies["version"]}"'}
        if asked.path.startswith("/v1/customers"):
            self.consistency.append(asked.headers.get("entitlements-consistency", ""))
            if asked.headers.get("if-none-match") == f'"{self.etag}"':
                return 304, None, {"etag": f'"{self.etag}"'}
            return 200, self.view, {"etag": f'"{self.etag}"'}
        return 200, decision() if asked.path == "/v1/check" else {"accepted": 1}


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def server(serve: Serve, told: Told) -> ScriptedService:
    return serve(told)


@pytest.fixture
def local(server: ScriptedService, monkeypatch: pytest.MonkeyPatch) -> Iterator[Entitlements]:
    monkeypatch.setattr(following, "BEHIND_FOR", 0.1)
    with Entitlements(server.service(), Local(bound=1.0, refresh=30.0), otherwise=Grace(30.0)) as entitlements:
        assert entitlements.wait_until_connected()
        eventually(lambda: entitlements.decide(SSO).source == "LOCAL")
        yield entitlements


def streams(server: ScriptedService) -> list[Asked]:
    return [asked for asked in server.asked if asked.path.startswith("/v1/changes")]


def test_a_revocation_ends_what_the_service_decided_of_a_subject_before_it(local: Entitlements, told: Told) -> None:
    """Ann may have a cap of her own, so only the service decides about her; it is away when the revocation is heard."""
    ann = Request("acme", "sso", subject_id="ann")
    told.sees("0:10", sso=feature(has_subject_caps=True))
    local._readers.want("acme", urgent=True)
    eventually(lambda: local.decide(ann).source == "SERVICE")
    told.reads = False
    assert local.decide(ann).source == "STALE"
    told.change("revoked", "0:11", "c0:2")
    eventually(lambda: not local.decide(ann).allowed)


def test_a_revocation_counts_before_the_view_is_read_again_and_a_grant_after(local: Entitlements, told: Told) -> None:
    told.change("revoked", "0:11", "c0:2")
    assert local.wait_until(SSO, lambda decision: not decision.allowed)
    eventually(lambda: "0:11" in told.consistency)
    told.change("granted", "0:12", "c0:3")
    told.sees("0:12", sso=feature())
    assert local.wait_until(SSO, lambda decision: decision.allowed)
    assert "0:12" in told.consistency, "the read includes the change"


def readers_rest(local: Entitlements) -> bool:
    """Whether nothing is read or wanted: then as much was read as ever will be without another reason."""
    readers = local._readers
    with readers._something:
        return not (readers._wanted or readers._reading or readers._later)


def test_a_cut_stream_is_resumed_where_it_was_and_nothing_is_read_again(
    local: Entitlements, told: Told, server: ScriptedService
) -> None:
    follower = local._follower
    assert follower is not None
    heard: list[str] = []
    follower.listeners.append(lambda change: heard.append(change.customer_id))
    told.tell("change", '{"customer_id": "somebody", "position": "0:11"}', "c0:7")
    eventually(lambda: "somebody" in heard)
    eventually(lambda: readers_rest(local))
    reads, vouched_since = len(told.consistency), follower._heard.covered_since

    told.lines, told.ends_after = [], 0
    eventually(lambda: len(streams(server)) > 1)
    told.ends_after = 1_000_000
    eventually(lambda: streams(server)[-1].headers.get("last-event-id") == "c0:7")
    told.tell("change", '{"customer_id": "another", "position": "0:12"}', "c0:8")
    eventually(lambda: "another" in heard)  # And so all that the resumed stream began with.
    eventually(lambda: readers_rest(local))

    assert len(told.consistency) == reads
    assert follower._heard.covered_since == vouched_since
    eventually(lambda: local.decide(SSO).source == "LOCAL")


def test_a_stream_that_was_cut_vouches_for_nothing_until_what_was_missed_is_told(
    local: Entitlements, told: Told, server: ScriptedService
) -> None:
    said = '{"type": "entitlement.revoked", "customer_id": "acme", "resource_key": "sso", "position": "0:11"}'
    told.reads, told.missed, told.ends_after = False, None, 0
    eventually(lambda: local.decide(SSO).source == "STALE")
    assert len(streams(server)) > 2, "connected, and cut before anything was told"
    told.missed = [f"event: change\ndata: {said}\n\n"]
    eventually(lambda: local.decide(SSO).source == "LOCAL")
    assert not local.decide(SSO).allowed


def test_a_page_that_is_no_stream_is_not_the_service(
    local: Entitlements, told: Told, server: ScriptedService, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = "<html>\n<p>Sign in to this network.</p>\n\n</html>\n"
    is_stream = "/v1/changes".__eq__
    monkeypatch.setattr(
        server, "script", lambda asked: (200, (lambda: iter([page])) if is_stream(asked.path) else page)
    )
    told.ends_after = 0
    eventually(lambda: local.decide(SSO).source == "STALE")
    assert len(streams(server)) > 2


def test_a_change_is_heard_whatever_signs_are_in_it(local: Entitlements, told: Told, server: ScriptedService) -> None:
    said = '"customer_id": "acme", "resource_key": "sso", "reason": "so\u2028be\x85it", "position": "0:11"'
    told.reads = False
    told.tell("change", f'{{"type": "entitlement.revoked", {said}}}', "c0:2")
    assert local.wait_until(SSO, lambda decision: not decision.allowed)
    assert len(streams(server)) == 1


def test_after_an_event_that_cannot_be_taken_in_everything_is_read_again(local: Entitlements, told: Told) -> None:
    told.sees("0:20")
    told.tell("change", '{"type": "entitlement.revoked"', "c0:2")
    assert local.wait_until(SSO, lambda decision: not decision.allowed)


def test_a_reset_reads_everything_again(local: Entitlements, told: Told) -> None:
    told.sees("0:20")
    told.tell("reset", "{}", "c0:9")
    assert local.wait_until(SSO, lambda decision: not decision.allowed)
    eventually(lambda: local.decide(SSO).source == "LOCAL")


def test_a_customer_that_is_invalidated_is_read_at_once_and_again(
    local: Entitlements, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "BEHIND_FOR", 1.5)  # Time to see the first before the second.
    eventually(lambda: readers_rest(local))
    reads = len(told.consistency)
    told.tell("invalidate", '{"customer_id": "somebody"}', "c0:8")
    told.tell("invalidate", '{"customer_id": "acme"}', "c0:9")
    eventually(lambda: len(told.consistency) == reads + 1)
    told.sees("0:10")
    assert local.wait_until(SSO, lambda decision: not decision.allowed), "the second time it is in the view"
    assert len(told.consistency) == reads + 2


def test_a_stream_without_signs_of_life_is_connected_anew(
    local: Entitlements, told: Told, server: ScriptedService
) -> None:
    told.beats, told.lines = False, []
    eventually(lambda: len(streams(server)) > 1)


def test_policies_that_changed_are_read_until_they_are_others(local: Entitlements, told: Told) -> None:
    told.tell("policies", '{"policy_id": "no"}', "c0:2")
    time.sleep(0.1)
    told.policies = NO_POLICIES | {
        "version": 1,
        "policies": [{"policy_id": "no", "name": "No", "effect": "DENY", "resource_keys": ["sso"]}],
    }
    eventually(lambda: local.decide(SSO).reason_code == "policy_denied")


def test_of_two_changes_of_policies_at_once_both_are_seen(
    local: Entitlements, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "BEHIND_FOR", 1.0)
    no = {"policy_id": "no", "name": "No", "effect": "DENY", "resource_keys": ["sso"]}
    told.policies = NO_POLICIES | {"version": 1, "policies": [no | {"resource_keys": ["seats"]}]}
    told.tell("policies", '{"policy_id": "no"}', "c0:2")
    told.tell("policies", '{"policy_id": "no"}', "c0:3")
    eventually(lambda: local._asking.memory.policies.etag == '"1"')
    time.sleep(0.2)
    told.policies = NO_POLICIES | {"version": 2, "policies": [no]}
    assert local.wait_until(SSO, lambda decision: decision.reason_code == "policy_denied", 5.0)


def test_a_listener_that_fails_stops_nobody(local: Entitlements, told: Told) -> None:
    heard: list[str] = []
    local.on_change(lambda change: 1 // 0)  # type: ignore[arg-type,return-value]
    local.on_change(lambda change: heard.append(change.type))
    told.change("revoked", "0:11", "c0:2")
    eventually(lambda: heard == ["entitlement.revoked"])
    assert not local.decide(SSO).allowed


def test_only_those_customers_are_followed_who_were_named(serve: Serve, told: Told) -> None:
    server = serve(told)
    with Entitlements(server.service(), Local(customers=["acme", "b & c"])) as entitlements:
        assert entitlements.wait_until_connected()
        assert streams(server)[0].path == "/v1/changes?customer_id=acme&customer_id=b+%26+c"
        eventually(lambda: "acme" in entitlements._asking.memory.customers())


# --- The access log ---


def test_local_decisions_are_told_with_the_weight_of_their_sample(serve: Serve, told: Told) -> None:
    server = serve(told)
    with Entitlements(
        server.service(), Cached(), access_log=Sampling(allowed=0.5, by_key={"premium*": 0.0})
    ) as entitlements:
        for _ in range(400):
            entitlements.check("acme", "sso", subject_id="ann", action="open")
            entitlements.check("acme", "nothing")
            entitlements.check("acme", "premium_plan")
    entries = [e for asked in server.asked if asked.path == "/v1/access-log" for e in asked.body["decisions"]]
    kinds = {key: [e for e in entries if e["resource_key"] == key] for key in ("sso", "nothing", "premium_plan")}
    assert 120 < len(kinds["sso"]) < 280
    assert {(e["count"], e["subject_id"], e["action"], e["source"]) for e in kinds["sso"]} == {
        (2, "ann", "open", "CACHED")
    }
    assert {e["count"] for e in kinds["nothing"]} == {1}
    assert len(kinds["nothing"]) == 400
    assert not kinds["premium_plan"]
    assert len({e["decision_id"] for e in entries}) == len(entries)


def test_a_log_that_is_away_costs_no_decision(serve: Serve, told: Told) -> None:
    def script(asked: Asked) -> Reply | None:
        return None if asked.path == "/v1/access-log" else told(asked)

    with Entitlements(
        serve(script).service(change_within=0.1), Cached(), access_log=Sampling(allowed=1.0)
    ) as entitlements:
        assert all(entitlements.check("acme", "sso").allowed for _ in range(20_000))
    assert entitlements.dropped_reports > 0


def test_a_key_that_is_refused_is_warned_of(serve: Serve, told: Told, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing mends that but somebody who reads the log; a stream that was cut comes back by itself."""

    def stranger(asked: Asked) -> Reply | None:
        if asked.path.startswith("/v1/changes"):
            return 401, {"code": "unauthenticated", "detail": "There is no such key."}
        return told(asked)

    with Entitlements(serve(stranger).service(), Local(), otherwise=Grace(30.0)):
        eventually(lambda: any("no such key" in record.getMessage() for record in caplog.records))
    assert {r.levelname for r in caplog.records if "no such key" in r.getMessage()} == {"WARNING"}


def test_a_decision_that_cannot_be_told_ends_no_telling(serve: Serve, told: Told) -> None:
    with Entitlements(serve(told).service(), Cached(), access_log=Sampling(allowed=1.0)) as entitlements:
        assert entitlements.check("acme", "sso", context=Context(metadata={"at": object()})).allowed
        eventually(lambda: entitlements.dropped_reports == 1)
        assert entitlements.check("acme", "sso").allowed
        eventually(lambda: entitlements._reports.told == 1)
