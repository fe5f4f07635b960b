"""The follower on a real broker: what it raises, what it knows of the past, and what levels hear when it cannot follow."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from confluent_kafka import Producer
from tests.standing_still import standing_still

from entitlements import testing
from entitlements.access.caching import pool_users
from entitlements.access.caching.floors import BEHIND_FOR_MAX, Concerned, Floors
from entitlements.access.caching.hooks import BundleUpdate, Hooks, UsageReset
from entitlements.access.caching.invalidations import Invalidations
from entitlements.access.caching.pool_users import PoolUsers
from entitlements.ledger.topics import create_topics
from entitlements.local import LocalKafka
from entitlements.settings import Settings
from entitlements_schemas import Wire

WIRE = Wire()
PARTITIONS = 2


class Log:
    """The two topics, written as the publisher and the changes worker write them."""

    def __init__(self, kafka: str) -> None:
        self.settings = Settings(kafka=kafka, topic_prefix=testing.unique_prefix(), partitions=PARTITIONS)
        create_topics(self.settings)
        self._producer = Producer({"bootstrap.servers": kafka, "log_level": 0})
        self.offset = 0

    def event(self, kind: str, aggregate_id: str, name: str, /, partition: int = 0, **record: Any) -> int:
        self.offset += 1
        full = {"originator_id": aggregate_id, "originator_version": self.offset, "timestamp": 0, "command_id": "c"}
        value = WIRE.encode_plain(f"entitlements.events.{name}", full | record)
        self.send("events", value, kind, aggregate_id, partition, ce_type=f"entitlements.events.{name}")
        return self.offset

    def reset(self, customer_id: str, partition: int = 0, organization_id: str = "acme") -> int:
        self.offset += 1
        record = {
            "change_id": f"c{self.offset}", "organization_id": organization_id, "customer_id": customer_id, "resource_key": "calls", "period_start": None,
            "period_end": None, "consumed": 4, "effective_at": 0, "pool_id": f"p-of-{organization_id}", "cause_event_id": "pool/p/1",
            "ledger_partition": partition, "ledger_offset": self.offset,
        }  # fmt: skip
        self.send("changes", WIRE.encode_plain("entitlements.changes.QuotaReset", record), "pool", "p", partition)
        return self.offset

    def send(self, topic: str, value: bytes, kind: str, aggregate_id: str, partition: int, ce_type: str = "") -> None:
        headers = [
            ("ce_type", ce_type.encode()),
            ("ce_id", f"{kind}/{aggregate_id}/{self.offset}".encode()),
            ("ledger_partition", str(partition).encode()),
            ("ledger_offset", str(self.offset).encode()),
        ]
        self._producer.produce(self.settings.topic(topic), value, aggregate_id, partition, headers=headers)  # type: ignore[arg-type]
        assert self._producer.flush(10) == 0


def nobody(pool_ids: Collection[str]) -> dict[str, PoolUsers]:
    return {pool_id: PoolUsers("acme", []) for pool_id in pool_ids}


def ada(pool_ids: Collection[str]) -> Mapping[str, PoolUsers]:
    return {pool_id: PoolUsers("acme", ["ada"]) for pool_id in pool_ids}


@pytest.fixture
def log(kafka: str) -> Log:
    return Log(kafka)


@contextmanager
def following(log: Log, **more: Any) -> Iterator[Floors]:
    """A follower that has read all there is."""
    floors = Floors()
    with Invalidations(log.settings, floors, **({"users_of": nobody} | more)):
        wait_until(lambda: floors.is_current)
        yield floors


def wait_until(holds: Callable[[], bool], within_for: float = 15.0) -> None:
    until = time.monotonic() + within_for
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_change_raises_the_floor_of_its_customer_alone(log: Log) -> None:
    with following(log) as floors:
        offset = log.reset("ada", partition=1)
        wait_until(lambda: not floors.admits("acme", "ada", {1: offset - 1}))
        assert floors.admits("acme", "ada", {1: offset})
        assert floors.admits("acme", "bob", {})
        assert floors.admits("umbrella", "ada", {}), "another organization's customer of this id"


def test_an_event_of_a_pool_raises_the_floors_of_whoever_draws_on_it(log: Log) -> None:
    asked: list[str] = []

    def users_of(pool_ids: Collection[str]) -> dict[str, PoolUsers]:
        asked.extend(pool_ids)
        return {"p": PoolUsers("acme", ["ada", "bob"])}

    with following(log, users_of=users_of) as floors:
        offset = log.event("pool", "p", "PoolSuspended", reason="unpaid", actor="")
        wait_until(lambda: not floors.admits("acme", "ada", {0: offset - 1}))
        assert not floors.admits("acme", "bob", {0: offset - 1})
        assert floors.admits("acme", "cyd", {0: offset - 1})
        assert floors.admits("umbrella", "ada", {0: offset - 1})
        assert asked == ["p"]


ASSIGNED = {"workspace_id": "ada", "role": "primary", "may_overflow": False, "actor": ""}
OPENED = {
    "billing_account_id": None, "name": "", "backfill_from": None, "time_zone": "UTC", "anchor_at": None, "defaults": [], "actor": "",
}  # fmt: skip


def test_an_event_of_a_pool_that_names_a_customer_raises_the_floor_of_its_organizations_one(log: Log) -> None:
    asked: list[str] = []

    def users_of(pool_ids: Collection[str]) -> dict[str, PoolUsers]:
        asked.extend(pool_ids)
        return {"known": PoolUsers("acme", [])}

    with following(log, users_of=users_of) as floors:
        first = log.event("pool", "known", "WorkspaceAssigned", **ASSIGNED)
        wait_until(lambda: not floors.admits("acme", "ada", {0: first - 1}))
        log.event("pool", "new", "PoolOpened", organization_id="umbrella", **OPENED)
        second = log.event("pool", "new", "WorkspaceAssigned", **ASSIGNED)
        wait_until(lambda: not floors.admits("umbrella", "ada", {0: second - 1}))
        assert floors.admits("acme", "ada", {0: first}), "it has no part in the other one's pool"
        assert floors.admits("acme", "bob", {})
        assert asked == ["known", "new"], "of pools that were heard of nobody is asked, but when they are opened"
        third = log.event("pool", "nowhere", "WorkspaceAssigned", **ASSIGNED)
        wait_until(lambda: not floors.admits("whoever", "bob", {0: third - 1}))


def test_who_was_assigned_a_moment_ago_is_concerned_though_the_read_models_have_not_heard_of_it(log: Log) -> None:
    """Whoever reads its view between the two positions would keep what the second one took away."""
    knows = dict[str, PoolUsers]()
    with following(log, users_of=lambda pool_ids: {p: knows[p] for p in pool_ids if p in knows}) as floors:
        log.event("pool", "p", "PoolOpened", organization_id="acme", **OPENED)
        assigned = log.event("pool", "p", "WorkspaceAssigned", **ASSIGNED)
        wait_until(lambda: not floors.admits("acme", "ada", {0: assigned - 1}))
        suspended = log.event("pool", "p", "PoolSuspended", reason="", actor="a")
        wait_until(lambda: not floors.admits("acme", "ada", {0: assigned}))
        assert floors.admits("acme", "ada", {0: suspended})
        assert floors.admits("acme", "bob", {}), "nobody else is concerned"
        knows["p"] = PoolUsers("acme", ["ada", "bob"])
        resumed = log.event("pool", "p", "PoolResumed", actor="a")
        wait_until(lambda: not floors.admits("acme", "bob", {0: resumed - 1}))
        assert not floors.admits("acme", "ada", {0: resumed - 1})


@pytest.mark.parametrize("is_behind", [True, False])
def test_of_more_than_are_kept_nobody_is_forgotten_before_the_read_models_know_them(
    log: Log, *, is_behind: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool_users, "NAMED_MAX", 10)
    monkeypatch.setattr(pool_users, "ASKED_AT_ONCE", 1)
    knows = dict[str, PoolUsers]()
    with following(log, users_of=lambda pool_ids: {p: knows[p] for p in pool_ids if p in knows}) as floors:
        log.event("pool", "p", "PoolOpened", organization_id="acme", **OPENED)
        if not is_behind:
            knows["p"] = PoolUsers("acme", [f"c{n}" for n in range(20)])
        for number in range(20):
            assigned = log.event(
                "pool",
                "p",
                "WorkspaceAssigned",
                workspace_id=f"c{number}",
                role="primary",
                may_overflow=False,
                actor="a",
            )
        wait_until(lambda: not floors.admits("acme", "c19", {0: assigned - 1}))
        suspended = log.event("pool", "p", "PoolSuspended", reason="", actor="a")
        wait_until(lambda: not floors.admits("acme", "c0", {0: suspended - 1}))
        assert not floors.admits("acme", "c19", {0: suspended - 1})
        assert floors.admits("acme", "elsewhere", {}) is not is_behind


def test_where_nobody_can_say_who_draws_on_a_pool_every_view_is_taken_for_old(log: Log) -> None:
    def away(pool_ids: Collection[str]) -> dict[str, PoolUsers]:
        raise psycopg.OperationalError(f"away: {pool_ids}")

    with following(log, users_of=away) as floors:
        offset = log.event("pool", "p", "PoolSuspended", reason="unpaid", actor="")
        wait_until(lambda: not floors.admits("acme", "anybody", {0: offset - 1}))
        assert floors.admits("acme", "anybody", {0: offset})


def test_a_role_in_a_unit_concerns_the_organization_and_one_in_a_workspace_that_alone(log: Log) -> None:
    role = {"subject_id": "eve", "role": "admin", "actor": ""}
    with following(log) as floors:
        log.event("organization", "acme", "MemberRoleSet", unit_id="", workspace_id="ada", **role)
        last = log.event("organization", "umbrella", "MemberRoleSet", unit_id="u", workspace_id="", **role)
        wait_until(lambda: not floors.admits("umbrella", "anybody", {0: last - 1}))
        assert not floors.admits("acme", "ada", {0: 0})
        assert floors.admits("acme", "bob", {0: 0})


def test_a_new_process_knows_what_happened_before_it_began(log: Log) -> None:
    offset = log.reset("ada")
    with following(log) as floors:
        assert not floors.admits("acme", "ada", {0: offset - 1})


def test_hooks_and_listeners_hear_after_the_floors_rose(log: Log) -> None:
    hooks, heard, concerned = Hooks(), list[object](), list[Concerned]()
    seen: list[bool] = []
    floors = Floors()

    def on_reset(reset: UsageReset) -> None:
        seen.append(floors.admits(reset.organization_id, reset.customer_id, {0: reset.ledger_offset - 1}))
        raise OSError("a hook that fails")

    hooks.on_usage_reset(on_reset)
    hooks.on_usage_reset(heard.append)
    hooks.on_bundle_update(heard.append)
    log.reset("cyd")  # Before the start: nobody is told.
    with Invalidations(log.settings, floors, users_of=nobody, hooks=hooks, listeners=[concerned.append]):
        wait_until(lambda: floors.is_current)
        log.reset("ada")
        log.event(
            "entitlement_set", "pro", "EntitlementSetDefined", version=3, name="", ladder=None, rung=None, rules=[], actor="",
            extends=[], inheritance="merge", own_rules=[],
        )  # fmt: skip
        wait_until(lambda: len(heard) == 2)
    assert {type(each) for each in heard} == {UsageReset, BundleUpdate}
    assert seen == [False]
    assert hooks.failures == 1
    assert concerned == [Concerned(customers=frozenset({("acme", "ada")}))]


def test_a_pool_event_that_names_nobody_is_understood_by_its_headers(log: Log) -> None:
    with following(log, users_of=ada) as floors:
        log.offset += 1
        log.send("events", b"not even looked at", "pool", "p", 0, ce_type="entitlements.events.PoolSuspended")
        wait_until(lambda: not floors.admits("acme", "ada", {0: log.offset - 1}))


def test_foreign_records_stop_nobody(log: Log) -> None:
    with following(log) as floors:
        for topic in ("events", "changes"):
            log.send(topic, b"rubbish", "", "", 0)
            log.send(topic, b"\x00\xff\xff\xff\xffrubbish", "no/place", "", 0)
        event = {"originator_id": "p", "originator_version": 1, "timestamp": 0, "command_id": "c"}
        log.send(
            "changes",
            WIRE.encode_plain("entitlements.events.PoolSuspended", event | {"reason": "", "actor": ""}),
            "",
            "",
            0,
        )
        offset = log.reset("ada")
        wait_until(lambda: not floors.admits("acme", "ada", {0: offset - 1}))


def test_an_event_of_a_newer_version_still_says_whom_it_concerns(log: Log) -> None:
    with following(log, users_of=ada) as floors:
        log.offset += 1
        log.send("events", b"\x00\x7f\xff\xff\xff??", "pool", "p", 0)
        wait_until(lambda: not floors.admits("acme", "ada", {0: log.offset - 1}))


def test_while_the_broker_does_not_answer_the_floors_are_not_current_and_are_again_after(tmp_path: Path) -> None:
    with LocalKafka(tmp_path / "kafka", fast=True) as broker:
        log = Log(broker.bootstrap)
        with following(log) as floors:
            assert broker.pid is not None
            with standing_still(broker.pid):
                stopped = time.monotonic()
                wait_until(lambda: not floors.is_current)
                assert time.monotonic() - stopped <= BEHIND_FOR_MAX + 0.5
            wait_until(lambda: floors.is_current)
            offset = log.reset("ada")
            wait_until(lambda: not floors.admits("acme", "ada", {0: offset - 1}))
            broker.kill()
            wait_until(lambda: not floors.is_current)
            broker.restart()
            wait_until(lambda: floors.is_current, 40)
            offset = log.reset("bob")
            wait_until(lambda: not floors.admits("acme", "bob", {0: offset - 1}))
