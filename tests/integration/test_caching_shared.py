"""The shared level on a real Valkey: what it keeps, and that a Valkey which is away, stopped or full of rubbish harms nobody."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from tests.standing_still import standing_still
from valkey import Valkey

from entitlements.access.caching import shared
from entitlements.access.caching.documents import facts_of
from entitlements.access.caching.floors import Concerned, Floors
from entitlements.access.caching.shared import ANSWER_WITHIN_FOR, Shared
from entitlements.local.valkey import LocalValkey

OPEN_FOR = 0.3
#: What a loaded machine may add to any answer, seconds.
BUSY_FOR = 0.4


class Source:
    """Views of a position that the test moves."""

    def __init__(self) -> None:
        self.position, self.loads = 0, 0
        self.valid_until: str | None = None
        self.after_reading: Callable[[], None] = lambda: None

    def load(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        self.loads += len(customer_ids)
        position = self.position
        self.after_reading()
        as_of = {"position": f"0:{position}"}
        entry = {"valid_until": self.valid_until}
        view = {"organization_id": organization_id, "as_of": as_of, "entitlements": {"a": entry}}
        return {name: json.dumps(view | {"customer_id": name}).encode() for name in customer_ids}


class Process:
    """What one process of an installation has: floors of its own, and the Valkey of all."""

    def __init__(self, source: Source, client: Valkey, ttl_for: float = 60) -> None:
        self.source, self.floors = source, Floors()
        self.floors.known_at(time.monotonic() + 3600)
        self.level = Shared(source, client, ttl_for=ttl_for, floors=self.floors, open_for=OPEN_FOR)

    def position(self, organization_id: str = "acme", customer_id: str = "ada") -> int:
        return facts_of(self.level.load(organization_id, [customer_id])[customer_id]).position[0]

    def hears(self, offset: int) -> None:
        self.floors.rise(0, offset, Concerned(customers=frozenset({("acme", "ada")})))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalValkey]:
    with LocalValkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def client(server: LocalValkey) -> Iterator[Valkey]:
    with closing(shared.connect(server.url)) as client:
        client.flushall()
        yield client


def test_what_one_process_loaded_another_need_not_load(client: Valkey) -> None:
    source = Source()
    assert [Process(source, client).position(), Process(source, client).position()] == [0, 0]
    assert source.loads == 1


def test_what_is_kept_lapses_by_itself(client: Valkey) -> None:
    source = Source()
    process = Process(source, client, ttl_for=0.2)
    process.position()
    process.position()
    assert source.loads == 1
    time.sleep(0.25)
    process.position()
    assert source.loads == 2


def test_nothing_is_kept_past_the_end_of_an_entry(client: Valkey) -> None:
    source = Source()
    source.valid_until = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    process = Process(source, client)
    process.position()
    key = process.level.key("acme", "ada")
    assert 0 < int(client.pttl(key)) <= 1000  # type: ignore[arg-type]
    time.sleep(1.05)
    assert client.get(key) is None  # Asked for by name: the size of a database counts what lapsed until it is swept.


def test_a_load_of_one_process_that_began_before_something_happened_reaches_nobody_who_knows(client: Valkey) -> None:
    """The race of every shared cache: read, invalidated, stored."""
    source = Source()
    slow, other = Process(source, client), Process(source, client)

    def happens_meanwhile() -> None:
        source.after_reading = lambda: None
        source.position = 1
        other.hears(1)

    source.after_reading = happens_meanwhile
    assert slow.position() == 0
    assert client.dbsize() == 1, "the slow one knew nothing and stored what is old now"
    assert other.position() == 1
    assert slow.position() == 1, "what is new is there for all"
    assert source.loads == 2


def test_a_process_that_has_not_heard_never_brings_an_old_view_back_to_those_who_have(client: Valkey) -> None:
    source, behind = Source(), Source()
    knows, lagging = Process(source, client), Process(behind, client)
    source.position = 1
    knows.hears(1)
    for _ in range(5):
        client.flushall()
        assert lagging.position() == 0  # Stores it, over whatever is there.
        assert knows.position() == 1


def test_while_news_are_late_nothing_is_taken_from_it(client: Valkey) -> None:
    source = Source()
    process = Process(source, client)
    process.position()
    process.floors._known_at = float("-inf")
    process.position()
    assert source.loads == 2


def test_organizations_and_customers_never_share_a_key() -> None:
    level = Process(Source(), Valkey()).level
    pairs = [("a", "b:c"), ("a:b", "c"), ("1:a", "b"), ("a", "b"), ("", "a:b"), ("11:a", "b")]
    assert len({level.key(*pair) for pair in pairs}) == len(pairs)


def test_what_somebody_else_wrote_there_is_loaded_anew(client: Valkey) -> None:
    source = Source()
    process = Process(source, client)
    for rubbish in (b"", b"rubbish", b"x:y\n{}", b"\xff\xfe\n{}"):
        client.set(process.level.key("acme", "ada"), rubbish)
        process.hears(0)  # An empty position has nothing.
        assert process.position() == 0
    source.position = 1
    for rubbish in (b"0:1\n", b'0:1\n{"as_of": {"posi', b"0:1\nrubbish"):
        client.set(process.level.key("acme", "ada"), rubbish)
        assert process.position() == 1
    client.delete(process.level.key("acme", "ada"))
    client.lpush(process.level.key("acme", "ada"), "a list")
    assert process.position() == 1


def test_a_valkey_that_is_gone_is_passed_by_and_found_again(server: LocalValkey, client: Valkey) -> None:
    source = Source()
    process = Process(source, client)
    process.position()
    server.kill()
    try:
        for _ in range(20):
            began = time.monotonic()
            assert process.position() == 0
            assert time.monotonic() - began < 2 * ANSWER_WITHIN_FOR + BUSY_FOR
        assert process.level.counts.failed == 1, "after the first failure it is left alone"
    finally:
        server.restart()
    hits, until = process.level.counts.hits, time.monotonic() + 5
    while process.level.counts.hits == hits:
        assert process.position() == 0
        assert time.monotonic() < until


def test_a_valkey_that_hangs_makes_no_answer_slow(server: LocalValkey, client: Valkey) -> None:
    source = Source()
    process = Process(source, client)
    process.position()
    assert server.pid is not None
    with standing_still(server.pid):
        began, took = time.monotonic(), list[float]()
        while time.monotonic() - began < 1.0:
            each = time.monotonic()
            assert process.position() == 0
            took.append(time.monotonic() - each)
        assert max(took) < 2 * ANSWER_WITHIN_FOR + BUSY_FOR
        assert process.level.counts.failed <= 1 + 1.0 / OPEN_FOR, "it is tried now and then, not each time"
