"""After a revoke no level answers "allowed" later than its stated bound: each level alone, and all of them together.

One revoke on real Kafka, engine, publisher, projector, changes worker, Postgres with a streaming replica, Valkey and Varnish. Every
level has its view kept just before. Three things can be true of news, and each has its bound (docs/caching.md):

told        the follower is at work
never told  nobody tells the floors, and they believe to be current: the worst that late news can be
late        nobody follows, and the floors know it
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from tests.caching_places import Origin, varnish_before, views_at
from tests.serving import Service

from entitlements import testing
from entitlements.access.caching import shared
from entitlements.access.caching.floors import BEHIND_FOR_MAX, Floors
from entitlements.access.caching.hooks import EntitlementGrant, Hooks, SubscriptionChange
from entitlements.access.caching.in_process import InProcess
from entitlements.access.caching.invalidations import Invalidations
from entitlements.access.caching.purging import Purger
from entitlements.access.caching.replicated import Replicated
from entitlements.access.sources import ViewSource
from entitlements.api.http_caching import EVERY_ANSWER, Lifetimes, names_of
from entitlements.domain import commands as asks
from entitlements.ledger.caller import Caller, new_id
from entitlements.local.folder import a_free_port
from entitlements.local.postgres import LocalPostgres, LocalReplica
from entitlements.local.valkey import LocalValkey
from entitlements.settings import Settings
from entitlements.wiring import addresses
from entitlements.wiring.preparing import prepare
from entitlements.wiring.readiness import wait_until_at_work
from entitlements.wiring.supervisor import Supervisor
from entitlements_projections.database import connect
from entitlements_projections.migrations import migrate
from entitlements_projections.replicas import Replicas
from entitlements_projections.testing import FEATURE, rules_of

pytestmark = pytest.mark.timeout(180)

PROCESSES = ("engine", "publisher", "projector", "changes", "api")
CUSTOMER = "ada"
#: Seconds. Small, so that the test need not wait long; what counts is that nothing is later than what these say.
IN_PROCESS_FOR, LATE_FOR, VALKEY_FOR, LAG_FOR = 1.0, 0.3, 1.2, 0.7
LIFETIMES = Lifetimes(shared_for=1, stale_for=1)
CDN_FOR = LIFETIMES.shared_for + LIFETIMES.stale_for
#: From the decision until Postgres has it, and a busy machine: what there is without any cache.
PROJECTED_FOR = 1.5
TOLD_FOR = BEHIND_FOR_MAX


@dataclass
class Watched:
    """One way to ask, its bound in seconds after the revoke was decided, and when it said "allowed" last."""

    name: str
    allowed: Callable[[], bool]
    bound_for: float
    #: Of a way that must have been wrong for a while: else the test would prove nothing.
    is_wrong_at_first: bool = False
    last_allowed: float = 0.0
    asked: int = 0
    errors: list[str] = field(default_factory=list)

    def watch(self, until: threading.Event) -> None:
        while not until.is_set():
            began = time.monotonic()
            try:
                if self.allowed():
                    self.last_allowed = began
            except Exception as error:  # noqa: BLE001 - whatever it is, the test names it.
                self.errors.append(repr(error))
            self.asked += 1
            time.sleep(0.01)


@dataclass(kw_only=True)
class Place:
    settings: Settings
    replica: str
    valkey: str
    #: The service itself, all of its levels switched on, behind this cache.
    service: Service
    cdn: str
    folder: Path
    stack: ExitStack
    caller: Caller

    def do(self, command: asks.Command) -> None:
        assert self.caller.call(command).is_accepted


@pytest.fixture
def place(kafka: str, tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        primary = stack.enter_context(LocalPostgres(tmp_path / "primary", fast=True, replicated=True))
        migrate(primary.url)
        replica = stack.enter_context(LocalReplica(tmp_path / "replica", primary.url, fast=True))
        valkey = stack.enter_context(LocalValkey(tmp_path / "valkey"))
        api_port = a_free_port(except_for=set())
        varnish = stack.enter_context(varnish_before(api_port, tmp_path / "varnish"))
        settings = Settings(
            kafka=kafka, postgres=primary.url, topic_prefix=testing.unique_prefix(), partitions=2, api_port=api_port,
            replicas=replica.url, replica_lag_for=LAG_FOR, valkey=valkey.url, valkey_ttl_for=60, cache_ttl_for=60,
            http_client_ttl_for=0, http_shared_ttl_for=60, http_stale_for=60, http_purge=varnish.url,
        )  # fmt: skip
        prepare(settings)
        supervisor = Supervisor(PROCESSES, addresses.environment_of(settings), tmp_path / "logs")
        stack.enter_context(supervisor)
        wait_until_at_work(settings, PROCESSES, 60)
        caller = stack.enter_context(Caller(settings))
        yield Place(
            settings=settings, replica=replica.url, valkey=valkey.url, service=Service(settings, supervisor, caller),
            cdn=varnish.url, folder=tmp_path, stack=stack, caller=caller,
        )  # fmt: skip


def says_allowed(source: ViewSource) -> Callable[[], bool]:
    def ask() -> bool:
        entry = json.loads(source.load("acme", [CUSTOMER])[CUSTOMER])["entitlements"].get(FEATURE)
        return entry is not None and bool(entry["allowed"])

    return ask


class Levels:
    """Every level over the primary, once for what is true of the news; and all of them, one before the other."""

    def __init__(self, place: Place, floors: Floors, name: str) -> None:
        self.place, self.floors, self.name, self.stack = place, floors, name, place.stack
        self.plain = views_at(place.settings.postgres, place.stack)
        replica = views_at(place.replica, place.stack)
        self.watched = self.stack.enter_context(Replicas(place.settings.postgres, [place.replica], lag_max_for=LAG_FOR))
        self.replicated = Replicated(self.plain, {place.replica: replica}, self.watched, floors=floors)
        self.in_process = self.in_memory(self.plain)
        self.valkey = self.in_valkey(self.plain, "alone")
        self.below = self.in_memory(self.in_valkey(self.replicated, "all"))

    def in_memory(self, source: ViewSource) -> InProcess:
        return InProcess(source, ttl_for=IN_PROCESS_FOR, size=10, floors=self.floors, behind_ttl_for=LATE_FOR)

    def in_valkey(self, source: ViewSource, what: str) -> shared.Shared:
        client = self.stack.enter_context(closing(shared.connect(self.place.valkey, within_for=0.5)))
        prefix = f"{self.name}:{what}:"
        return shared.Shared(source, client, ttl_for=VALKEY_FOR, floors=self.floors, prefix=prefix)

    def before(self, source: ViewSource, what: str) -> tuple[str, Callable[[], bool]]:
        """A Varnish before an origin that reads from a source; its address, and how to ask it."""
        origin = self.stack.enter_context(Origin(source, self.floors, LIFETIMES))
        folder = self.place.folder / f"varnish-{self.name}-{what}"
        varnish = self.stack.enter_context(varnish_before(origin.server_port, folder))
        return varnish.url, asks_over_http(varnish.url, "Bearer acme", self.stack)


def asks_over_http(url: str, authorization: str, stack: ExitStack) -> Callable[[], bool]:
    client = stack.enter_context(httpx.Client(timeout=5, headers={"Authorization": authorization}))

    def ask() -> bool:
        answer = client.get(f"{url}/v1/customers/{CUSTOMER}/entitlements").raise_for_status()
        entry = answer.json()["entitlements"].get(FEATURE)
        return entry is not None and bool(entry["allowed"])

    return ask


def told(place: Place, hooks: Hooks) -> list[Watched]:
    floors = Floors()
    levels = Levels(place, floors, "told")
    cdn, ask_cdn = levels.before(levels.plain, "alone")
    all_of_them, ask_all = levels.before(levels.below, "all")
    purger = place.stack.enter_context(Purger([cdn, all_of_them], names_of, every_answer=EVERY_ANSWER))
    place.stack.enter_context(Invalidations(place.settings, floors, hooks=hooks, listeners=[purger]))
    until = time.monotonic() + 20
    while not floors.is_current:
        assert time.monotonic() < until, "the follower never said that it is at the end"
        time.sleep(0.05)
    bound_for = TOLD_FOR + PROJECTED_FOR
    return [
        Watched("told: in process", says_allowed(levels.in_process), bound_for),
        Watched("told: valkey", says_allowed(levels.valkey), bound_for),
        Watched("told: replica", says_allowed(levels.replicated), bound_for),
        Watched("told: CDN", ask_cdn, bound_for),
        Watched("told: all together", ask_all, bound_for),
        Watched(
            "told: the service behind a CDN, nothing ever lapses",
            asks_over_http(place.cdn, f"Bearer {place.service.key('acme', ['read'])}", place.stack),
            bound_for,
        ),
    ]


def never_told(place: Place) -> list[Watched]:
    floors = Floors()
    floors.known_at(time.monotonic() + 3600)  # They are wrong about it.
    levels = Levels(place, floors, "untold")
    _, ask_cdn = levels.before(levels.plain, "alone")
    _, ask_all = levels.before(levels.below, "all")
    together_for = IN_PROCESS_FOR + VALKEY_FOR + LAG_FOR + CDN_FOR + PROJECTED_FOR
    return [
        Watched("never told: in process", says_allowed(levels.in_process), IN_PROCESS_FOR + PROJECTED_FOR, True),
        Watched("never told: valkey", says_allowed(levels.valkey), VALKEY_FOR + PROJECTED_FOR, True),
        Watched("never told: replica", says_allowed(levels.replicated), LAG_FOR + PROJECTED_FOR, True),
        Watched("never told: CDN", ask_cdn, CDN_FOR + PROJECTED_FOR, True),
        Watched("never told: all together", ask_all, together_for, True),
    ]


def late(place: Place) -> list[Watched]:
    levels = Levels(place, Floors(), "late")
    return [
        Watched("late: in process", says_allowed(levels.in_process), LATE_FOR + PROJECTED_FOR),
        Watched("late: valkey is passed by", says_allowed(levels.valkey), PROJECTED_FOR),
    ]


def test_after_a_revoke_no_level_answers_allowed_later_than_its_bound(place: Place) -> None:
    hooks, heard = Hooks(), list[object]()
    hooks.on_subscription_change(heard.append)
    hooks.on_entitlement_grant(heard.append)
    watched = [
        *told(place, hooks), *never_told(place), *late(place),
        Watched("no cache", says_allowed(views_at(place.settings.postgres, place.stack)), PROJECTED_FOR),
    ]  # fmt: skip
    _grant(place)
    for each in watched:
        _wait_until(each.allowed)
    done = threading.Event()
    threads = [threading.Thread(target=each.watch, args=(done,)) for each in watched]
    with closing(connect(place.replica)) as replica:
        # What the replica has stays what it is: as late as a replica can be.
        # Everything is over that was kept, and then it is all kept anew.
        time.sleep(max(IN_PROCESS_FOR, VALKEY_FOR, CDN_FOR) + 0.1)
        for each in watched:
            if not each.is_wrong_at_first:
                _wait_until(each.allowed)
        _is_kept_on_every_level(place)
        with ThreadPoolExecutor() as pool:  # Last and at once, so that little of their time is over when it happens.
            list(pool.map(lambda each: _wait_until(each.allowed), (each for each in watched if each.is_wrong_at_first)))
        replica.execute("select pg_wal_replay_pause()")
        place.do(asks.EndProvision(command_id=new_id(), pool_id="pool", provision_id="plan", when="now"))
        revoked_at = time.monotonic()
        for thread in threads:
            thread.start()
        time.sleep(max(each.bound_for for each in watched) + 0.5)
        done.set()
        for thread in threads:
            thread.join()
        replica.execute("select pg_wal_replay_resume()")

    late_by = {each.name: round(max(0.0, each.last_allowed - revoked_at), 3) for each in watched}
    print("seconds after the revoke of the last 'allowed':", late_by)
    for each in watched:
        assert not each.errors, (each.name, each.errors[:3])
        assert each.asked > 20, each.name
        assert each.last_allowed - revoked_at <= each.bound_for, (each.name, each.bound_for, late_by)
    # It is caches that were looked at: those that nobody told answered what they had.
    for each in watched:
        assert not each.is_wrong_at_first or late_by[each.name] > 0, late_by
    kinds = {type(fact) for fact in heard}
    assert kinds == {SubscriptionChange, EntitlementGrant}
    whats = [fact.what for fact in heard if isinstance(fact, SubscriptionChange) and fact.resource_key == FEATURE]
    assert whats == ["granted", "revoked"]


def _grant(place: Place) -> None:
    place.do(
        asks.OpenPool(command_id=new_id(), pool_id="pool", organization_id="acme", billing_account_id="b", name="P")
    )
    place.do(asks.AssignWorkspace(command_id=new_id(), pool_id="pool", workspace_id=CUSTOMER, role="primary"))
    place.do(
        asks.ProvisionPool(
            command_id=new_id(), pool_id="pool", provision_id="plan", source="subscription", set_id="pro", set_version=1,
            ladder="plans", rung=1, rules=rules_of(50),
        )
    )  # fmt: skip


def _is_kept_on_every_level(place: Place) -> None:
    """The service answers from a CDN and has what it answered in Valkey: else the test would be about something simpler."""
    headers = {"Authorization": f"Bearer {place.service.key('acme', ['read'])}"}
    answer = httpx.get(f"{place.cdn}/v1/customers/{CUSTOMER}/entitlements", headers=headers)
    assert answer.headers["X-Cache"] == "hit"
    with closing(shared.connect(place.valkey, within_for=1)) as client:
        assert client.keys(f"{place.settings.topic_prefix}entitlements:view:*:{CUSTOMER}")


def _wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < until, "it never was allowed"
        time.sleep(0.05)
