"""What a level of caching may answer, and when it must not: floors, news, views in memory, hooks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from entitlements.access.caching import news
from entitlements.access.caching.breaker import Breaker
from entitlements.access.caching.documents import facts_of, position_of, position_to_text
from entitlements.access.caching.floors import Concerned, Floors
from entitlements.access.caching.hooks import BundleUpdate, EntitlementGrant, Hooks, SubscriptionChange, UsageReset
from entitlements.access.caching.in_process import InProcess
from entitlements.access.caching.vouching import Published, Vouching

ORGANIZATION = "acme"


def of(*customers: str, organization_id: str = ORGANIZATION) -> Concerned:
    return Concerned(customers=frozenset((organization_id, customer_id) for customer_id in customers))


class Source:
    """Views of a position that the test moves; counts what is loaded, and can be made to wait in the middle of it."""

    def __init__(self) -> None:
        self.position = 0
        self.valid_until: datetime | None = None
        self.loads: list[str] = []
        self.after_reading: Callable[[], None] = lambda: None
        self.error: Exception | None = None

    def load(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        self.loads += customer_ids
        position = max(self.position, (at_least or {}).get(0, 0))
        self.after_reading()
        if self.error is not None:
            raise self.error
        return {customer_id: self._view(organization_id, customer_id, position) for customer_id in customer_ids}

    def _view(self, organization_id: str, customer_id: str, position: int) -> bytes:
        entry = {"allowed": True, "valid_until": None if self.valid_until is None else self.valid_until.isoformat()}
        view = {
            "organization_id": organization_id,
            "customer_id": customer_id,
            "as_of": {"position": f"0:{position}"},
            "entitlements": {"feature": entry},
        }
        return json.dumps(view).encode()


class Level(InProcess):
    """An InProcess of a Source, with current floors."""

    def __init__(self, *, ttl_for: float = 60, size: int = 100, behind_ttl_for: float = 1) -> None:
        self.below, self.known = Source(), Floors()
        self.known.known_at(time.monotonic() + 3600)
        super().__init__(self.below, ttl_for=ttl_for, size=size, floors=self.known, behind_ttl_for=behind_ttl_for)

    def position_of(self, customer_id: str = "ada", at_least: Mapping[int, int] | None = None) -> int:
        return facts_of(self.load(ORGANIZATION, [customer_id], at_least)[customer_id]).position[0]


# --- Floors ----------------------------------------------------------------------------------------------------------


def test_a_view_that_lacks_what_is_known_about_its_customer_does_not_count() -> None:
    floors = Floors()
    floors.rise(0, 5, of("ada"))
    assert not floors.admits(ORGANIZATION, "ada", {0: 4})
    assert not floors.admits(ORGANIZATION, "ada", {1: 9})
    assert floors.admits(ORGANIZATION, "ada", {0: 5})
    assert floors.admits(ORGANIZATION, "bob", {})


def test_what_concerns_an_organization_concerns_no_other() -> None:
    floors = Floors()
    floors.rise(1, 3, Concerned(organizations=frozenset({ORGANIZATION})))
    assert not floors.admits(ORGANIZATION, "ada", {1: 2})
    assert floors.admits("another", "ada", {1: 2})


def test_a_floor_never_sinks() -> None:
    floors = Floors()
    floors.rise(0, 5, of("ada"))
    floors.rise(0, 3, of("ada"))
    assert not floors.admits(ORGANIZATION, "ada", {0: 4})


def test_a_floor_that_is_given_up_becomes_everybodys() -> None:
    floors = Floors(floors_max=2)
    for number, customer in enumerate(("ada", "bob", "cyd"), 1):
        floors.rise(0, number, of(customer))
    assert list(floors.names()) == [("customer", ORGANIZATION, "bob"), ("customer", ORGANIZATION, "cyd")]
    assert not floors.admits(ORGANIZATION, "ada", {0: 0})
    assert not floors.admits(ORGANIZATION, "dan", {0: 0})
    assert floors.admits(ORGANIZATION, "dan", {0: 1})


def test_what_a_server_must_have_for_several_customers_is_the_most_of_each() -> None:
    floors = Floors()
    floors.rise(0, 5, of("ada"))
    floors.rise(0, 7, of("bob"))
    floors.rise(1, 2, Concerned(organizations=frozenset({ORGANIZATION})))
    floors.rise(2, 1, Concerned(everybody=True))
    assert floors.least(ORGANIZATION, ["ada", "bob"]) == {0: 7, 1: 2, 2: 1}


def test_floors_are_current_only_for_a_moment_after_somebody_said_so() -> None:
    floors = Floors(behind_for_max=0.05)
    assert not floors.is_current
    floors.known_at(time.monotonic())
    assert floors.is_current
    time.sleep(0.06)
    assert not floors.is_current


# --- News ------------------------------------------------------------------------------------------------------------


def headers(kind: str) -> dict[str, bytes | None]:
    return {"ce_id": f"{kind}/a/b/7".encode(), "ledger_partition": b"2", "ledger_offset": b"30"}


@pytest.mark.parametrize(
    ("kind", "record", "concerned", "of_pool"),
    [
        ("pool", {"workspace_id": "ada"}, Concerned(), {"pool_id": "a/b", "customer_id": "ada"}),
        ("pool", {"workspace_id": ""}, Concerned(), {"pool_id": "a/b"}),
        ("pool", {}, Concerned(), {"pool_id": "a/b"}),
        ("organization", {"workspace_id": "ada"}, of("ada", organization_id="a/b"), {}),
        ("organization", {"unit_id": "u"}, Concerned(organizations=frozenset({"a/b"})), {}),
        ("resource_key", {}, Concerned(everybody=True), {}),
        ("something_new", {}, Concerned(everybody=True), {}),
    ],
)
def test_an_event_concerns(kind: str, record: dict[str, Any], concerned: Concerned, of_pool: dict[str, str]) -> None:
    assert news.of_event(headers(kind), record) == news.News(partition=2, offset=30, concerned=concerned, **of_pool)


def test_a_change_concerns_the_customer_of_its_organization() -> None:
    record = {"organization_id": "umbrella", "customer_id": "ada", "ledger_partition": 2, "ledger_offset": 30}
    assert news.of_change(record) == news.News(partition=2, offset=30, concerned=of("ada", organization_id="umbrella"))


@pytest.mark.parametrize("kind", ["entitlement_set", "campaign"])
def test_sets_and_campaigns_are_told_by_the_pools_that_they_reach(kind: str) -> None:
    assert news.of_event(headers(kind), {}) is None


def test_an_event_without_a_place_in_the_ledger_is_none_of_ours() -> None:
    with pytest.raises((KeyError, ValueError)):
        news.of_event({"ce_id": b"pool/a/1"}, {})


# --- In process ------------------------------------------------------------------------------------------------------


def test_a_view_is_loaded_once_until_its_time_is_over() -> None:
    level = Level(ttl_for=0.05)
    assert [level.position_of() for _ in range(3)] == [0, 0, 0]
    assert len(level.below.loads) == 1
    time.sleep(0.06)
    level.below.position = 1
    assert level.position_of() == 1


def test_a_view_ends_with_the_first_of_its_entries() -> None:
    level = Level()
    level.below.valid_until = datetime.now(UTC) + timedelta(milliseconds=50)
    level.position_of()
    level.position_of()
    assert len(level.below.loads) == 1
    time.sleep(0.06)
    level.position_of()
    assert len(level.below.loads) == 2


def test_what_is_known_to_have_happened_ends_a_view_at_once() -> None:
    level = Level()
    level.position_of()
    level.below.position = 1
    level.known.rise(0, 1, of("ada"))
    assert level.position_of() == 1
    level.position_of()
    assert len(level.below.loads) == 2


def test_a_view_is_not_kept_while_postgres_has_not_heard_of_what_is_known() -> None:
    level = Level()
    level.known.rise(0, 1, of("ada"))
    assert [level.position_of(), level.position_of()] == [0, 0]
    assert len(level.below.loads) == 2
    level.below.position = 1
    assert [level.position_of(), level.position_of()] == [1, 1]
    assert len(level.below.loads) == 3


def test_a_load_that_began_before_something_happened_is_never_kept_after_it() -> None:
    level = Level()
    level.below.after_reading = lambda: level.known.rise(0, 1, of("ada"))
    level.position_of()
    level.below.after_reading = lambda: None
    level.below.position = 1
    assert level.position_of() == 1


def test_a_burst_on_one_customer_loads_it_once() -> None:
    level = Level()
    level.below.after_reading = lambda: time.sleep(0.1)
    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(lambda _: level.position_of(), range(50)))
    assert found == [0] * 50
    assert level.below.loads == ["ada"]
    assert level.counts.joined + level.counts.hits == 49


def test_who_comes_after_something_happened_does_not_share_a_load_from_before_it() -> None:
    level, is_reading, goes_on = Level(), threading.Event(), threading.Event()

    def once() -> None:
        level.below.after_reading = lambda: None
        is_reading.set()
        assert goes_on.wait(5)

    level.below.after_reading = once
    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(level.position_of)
        assert is_reading.wait(5)
        level.below.position = 1
        level.known.rise(0, 1, of("ada"))
        after = pool.submit(level.position_of)
        time.sleep(0.05)
        goes_on.set()
        assert (before.result(5), after.result(5)) == (0, 1)


def test_a_load_that_fails_fails_for_all_who_wait_and_is_tried_again_by_the_next() -> None:
    level = Level()
    level.below.error = OSError("away")
    level.below.after_reading = lambda: time.sleep(0.1)
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(level.position_of) for _ in range(5)]
        assert all(isinstance(each.exception(5), OSError) for each in asked)
    level.below.error = None
    assert level.position_of() == 0


def test_only_so_many_customers_are_kept_those_asked_for_last() -> None:
    level = Level(size=2)
    for customer in ("ada", "bob", "ada", "cyd", "ada", "bob"):
        level.position_of(customer)
    assert level.below.loads == ["ada", "bob", "cyd", "bob"]


def test_a_position_that_is_asked_for_is_not_answered_from_before_it() -> None:
    level = Level()
    level.position_of()
    assert level.position_of(at_least={0: 3}) == 3
    assert level.position_of() == 3
    assert len(level.below.loads) == 2


def test_two_organizations_never_share_a_view_of_customers_of_one_name() -> None:
    level = Level()
    for organization in ("acme", "umbrella", "acme"):
        assert json.loads(level.load(organization, ["ada"])["ada"])["organization_id"] == organization
    assert len(level.below.loads) == 2


def test_what_happens_to_another_organizations_customer_of_this_id_makes_no_view_older() -> None:
    level = Level()
    level.position_of()
    level.known.rise(0, 9, of("ada", organization_id="umbrella"))
    assert level.position_of() == 0
    assert level.known.least(ORGANIZATION, ["ada"]) == {}
    assert level.known.least("umbrella", ["ada"]) == {0: 9}
    assert len(level.below.loads) == 1


def test_while_news_are_late_a_view_counts_for_less_time() -> None:
    level = Level(behind_ttl_for=0.05)
    level.position_of()
    level.known._known_at = float("-inf")
    level.position_of()
    assert len(level.below.loads) == 1
    time.sleep(0.06)
    level.position_of()
    assert len(level.below.loads) == 2


def test_many_threads_and_news_at_once_never_answer_what_is_known_to_be_old() -> None:
    """The least position that may be answered is what was known, and had, before the question."""
    level, customers = Level(size=3), ["ada", "bob", "cyd", "dan", "eve"]
    stopping, wrong = threading.Event(), list[tuple[int, int]]()
    known = dict.fromkeys(customers, 0)

    def ask(number: int) -> None:
        while not stopping.is_set():
            customer = customers[number % 5]
            least = known[customer]
            found = level.position_of(customer)
            if found < least:
                wrong.append((least, found))
            number += 1

    with ThreadPoolExecutor(4) as pool:
        for number in range(4):
            pool.submit(ask, number)
        for position in range(1, 300):
            level.below.position = position
            customer = customers[position % 5]
            level.known.rise(0, position, of(customer))
            known[customer] = position
            time.sleep(0.001)
        stopping.set()
    assert not wrong
    assert level.counts.hits


# --- Documents, breaker, hooks ---------------------------------------------------------------------------------------


def test_a_position_has_one_form() -> None:
    assert position_of("0:17,1:4") == {0: 17, 1: 4}
    assert position_to_text({1: 4, 0: 17}) == "0:17,1:4"
    assert position_of("") == {}


def test_of_what_is_no_view_nothing_is_known() -> None:
    with pytest.raises(ValueError, match="no view"):
        facts_of(b"[]")


def test_what_failed_is_left_alone_and_then_tried_by_one() -> None:
    breaker = Breaker(open_for=0.05)
    assert breaker.lets_through()
    breaker.failed()
    assert not breaker.lets_through()
    time.sleep(0.06)
    assert [breaker.lets_through(), breaker.lets_through()] == [True, False]
    breaker.worked()
    assert [breaker.lets_through(), breaker.lets_through()] == [True, True]


TOLD = {
    "change_id": "c",
    "organization_id": ORGANIZATION,
    "customer_id": "ada",
    "resource_key": "calls",
    "pool_id": "p",
    "effective_at": datetime(2026, 1, 1, tzinfo=UTC),
    "cause_event_id": "pool/p/3",
    "ledger_partition": 0,
    "ledger_offset": 9,
}
VALUE = {"limit": 5, "soft_limit": None, "hard_limit": None, "period": "day", "anchored": False}


def test_each_hook_hears_of_its_own_kind_with_typed_facts() -> None:
    hooks, heard = Hooks(), list[object]()
    hooks.on_subscription_change(heard.append)
    hooks.on_entitlement_grant(heard.append)
    hooks.on_usage_reset(heard.append)
    hooks.on_bundle_update(heard.append)
    granted = TOLD | {"entitlement_type": "quota", "before": None, "after": VALUE}
    hooks.tell_change("EntitlementGranted", granted)
    hooks.tell_change("EntitlementRevoked", granted | {"before": VALUE, "after": None})
    hooks.tell_change("QuotaReset", TOLD | {"consumed": 4, "period_start": None, "period_end": None})
    hooks.tell_change("QuotaWarned", TOLD)
    hooks.tell(BundleUpdate(set_id="pro", set_version=2))
    kinds = [SubscriptionChange, EntitlementGrant, SubscriptionChange, UsageReset, BundleUpdate]
    assert [type(each) for each in heard] == kinds
    assert isinstance(heard[2], SubscriptionChange)
    assert (heard[2].what, heard[2].after) == ("revoked", None)
    assert heard[2].before is not None
    assert heard[2].before.limit == 5


def test_a_hook_that_fails_keeps_nobody_else_from_hearing() -> None:
    hooks, heard = Hooks(), list[object]()

    def fails(fact: object) -> None:
        raise OSError(str(fact))

    hooks.on_bundle_update(fails)
    hooks.on_bundle_update(heard.append)
    hooks.tell(BundleUpdate(set_id="pro", set_version=2))
    assert len(heard) == 1
    assert hooks.failures == 1


def test_of_features_a_view_tells_longer_than_of_numbers_and_never_past_its_end_or_what_is_known() -> None:
    source, floors = Source(), Floors()
    level = InProcess(source, ttl_for=0.05, size=10, floors=floors, behind_ttl_for=0.05, features_ttl_for=5.0)
    floors.known_at(time.monotonic())
    level.load("acme", ["ws-1"])
    time.sleep(0.06)
    assert level.peek("acme", "ws-1") is None
    assert level.peek("acme", "ws-1", of_features=True) is not None
    floors.rise(0, 10**6, of("ws-1"))
    assert level.peek("acme", "ws-1", of_features=True) is None


def test_of_features_a_view_tells_as_long_as_somebody_vouches_for_what_is_known() -> None:
    source, floors = Source(), Floors(behind_for_max=60.0)
    level = InProcess(source, ttl_for=0.05, size=10, floors=floors, behind_ttl_for=0.05, features_ttl_for=0.5)
    floors.known_at(time.monotonic())
    level.load("acme", ["ws-1"])
    for _ in range(3):
        time.sleep(0.2)
        floors.vouch(time.monotonic())
        assert level.peek("acme", "ws-1", of_features=True) is not None
        assert level.peek("acme", "ws-1") is None, "what it says of numbers is as old as ever"
    time.sleep(0.51)
    assert level.peek("acme", "ws-1", of_features=True) is None, "nobody has vouched since"
    floors.vouch(time.monotonic())
    floors.rise(0, 10**6, of("ws-1"))
    assert level.peek("acme", "ws-1", of_features=True) is None
    assert len(source.loads) == 1


def test_what_was_vouched_for_never_sinks_and_means_nothing_while_news_are_late() -> None:
    source, floors = Source(), Floors(behind_for_max=60.0)
    level = InProcess(source, ttl_for=0.05, size=10, floors=floors, behind_ttl_for=0.02, features_ttl_for=5.0)
    floors.vouch(2.0)
    floors.vouch(1.0)
    assert floors.vouched_at == 2.0
    floors.known_at(time.monotonic())
    level.load("acme", ["ws-1"])
    floors.vouch(time.monotonic())
    floors._known_at = float("-inf")
    time.sleep(0.03)
    assert level.peek("acme", "ws-1", of_features=True) is None


def test_floors_are_vouched_for_when_all_that_was_published_is_in_them() -> None:
    floors, vouching = Floors(), Vouching.__new__(Vouching)
    vouching._found = Published(5.0, {("events", 0): 3, ("events", 1): 0})
    vouching.pass_on(floors, {("events", 0): 2, ("events", 1): 7})
    assert floors.vouched_at < 0
    vouching.pass_on(floors, {("events", 0): 3})
    assert floors.vouched_at == 5.0
    assert vouching._found is None, "it is looked for anew"
