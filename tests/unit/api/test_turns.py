"""What blocks or takes long: organizations in turns, none with all threads; streams are handed what happens a few at a time."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from entitlements.api import aside as deciding
from entitlements.api.aside import Aside
from entitlements.api.auth.errors import TooManyRequests
from entitlements.api.connections import OTHER_FILES, Streams, within_files
from entitlements.api.fanout import AT_ONCE, Batch, Fanout
from entitlements.api.following import Told
from entitlements.api.problems import Problem
from entitlements.api.turns import Turns, slices, slices_of_bytes
from entitlements.errors import ServerIsAway
from entitlements.settings import Settings


def test_whoever_has_much_waits_behind_its_own_and_not_others_behind_it() -> None:
    order: list[str] = []
    first = threading.Event()

    async def all_of_them() -> None:
        turns = Turns("test")
        begun = asyncio.create_task(turns.call("noisy", first.wait, 10))
        await asyncio.sleep(0)
        noisy = [asyncio.create_task(turns.call("noisy", order.append, "noisy")) for _ in range(20)]
        await asyncio.sleep(0)
        quiet = [asyncio.create_task(turns.call("quiet", order.append, "quiet")) for _ in range(2)]
        await asyncio.sleep(0)
        first.set()
        await asyncio.gather(begun, *noisy, *quiet)
        turns.close()

    asyncio.run(all_of_them())
    assert order[:4] == ["noisy", "quiet", "noisy", "quiet"]


def test_what_is_too_much_is_refused_and_takes_no_turn_of_others() -> None:
    first = threading.Event()

    async def all_of_them() -> str:
        turns = Turns("test", waiting_max=3)
        begun = asyncio.create_task(turns.call("noisy", first.wait, 10))
        await until(lambda: not turns._waiting)
        waiting = [asyncio.create_task(turns.call("noisy", int)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(TooManyRequests):
            await turns.call("noisy", int)
        waiting[0].cancel()  # Whoever gives up leaves the others theirs.
        quiet = asyncio.create_task(turns.call("quiet", str, "answered"))
        await asyncio.sleep(0)
        first.set()
        await asyncio.gather(begun, *waiting[1:])
        refused = turns.call("quiet", int, "no number")
        with pytest.raises(ValueError, match="no number"):
            await refused
        turns.close()
        return await quiet

    assert asyncio.run(all_of_them()) == "answered"


@pytest.mark.parametrize(("threads", "of_one"), [(1, 1), (2, 1), (3, 1), (4, 2), (16, 8)])
def test_one_organization_never_has_all_threads(threads: int, of_one: int) -> None:
    go_on = threading.Event()
    under_way: list[str] = []

    def work(name: str) -> None:
        under_way.append(name)
        go_on.wait(10)

    async def all_of_them() -> None:
        turns = Turns("test", threads)
        noisy = [asyncio.create_task(turns.call("noisy", work, "noisy")) for _ in range(3 * threads)]
        await until(lambda: len(under_way) >= of_one)
        quiet = [asyncio.create_task(turns.call(name, work, name)) for name in ("a", "b")]
        await until(lambda: len(under_way) >= min(threads, of_one + 2))
        of_noisy = under_way.count("noisy")
        go_on.set()
        assert of_noisy == of_one
        await asyncio.gather(*noisy, *quiet)
        assert len(under_way) == 3 * threads + 2
        await until(lambda: (turns._free, turns._waiting, turns._running) == (threads, {}, {}))
        turns.close()

    asyncio.run(all_of_them())


def test_organizations_have_turns_whatever_each_of_them_has_waiting() -> None:
    first = threading.Event()
    order: list[str] = []

    async def all_of_them() -> None:
        turns = Turns("test")
        begun = asyncio.create_task(turns.call("a", first.wait, 10))
        await until(lambda: not turns._waiting)
        calls = [asyncio.create_task(turns.call(name, order.append, name)) for name in "aaaabbcaaa"]
        await until(lambda: sum(map(len, turns._waiting.values())) == len(calls))
        first.set()
        await asyncio.gather(begun, *calls)
        turns.close()

    asyncio.run(all_of_them())
    assert "".join(order) == "abcabaaaaa"


def test_slices_are_all_of_it_in_order() -> None:
    assert list(slices([1, 2, 3, 4, 5], 2)) == [[1, 2], [3, 4], [5]]
    assert list(slices([], 2)) == []


def test_slices_of_bytes_are_all_of_it_in_order() -> None:
    items = [b"a" * 4, b"b", b"c" * 9, b"d"]
    assert [list(each) for each in slices_of_bytes(items, 5)] == [items[:2], items[2:3], items[3:]]
    assert list(slices_of_bytes([], 5)) == []


def test_an_answer_of_milliseconds_does_not_wait_for_one_of_seconds() -> None:
    aside, order = Aside(), list[str]()

    def ask(name: str, seconds: float) -> None:
        aside.call(time.sleep, seconds)
        order.append(name)

    aside.call(int)  # It is begun.
    threads = [threading.Thread(target=ask, args=each) for each in (("long", 1.0), ("short", 0.0))]
    for thread in threads:
        thread.start()
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    aside.close()
    assert order == ["short", "long"]


def test_the_process_that_decides_is_begun_again_when_it_has_ended() -> None:
    aside = Aside()
    with pytest.raises(ServerIsAway):
        aside.call(os._exit, 1)
    for _ in range(2 * deciding.AT_ONCE):
        assert aside.call(int, "7") == 7
        with pytest.raises(ValueError, match="no number"):
            aside.call(int, "no number")
    aside.close()


def test_the_process_that_decides_takes_neither_the_share_of_its_worker_nor_its_turns() -> None:
    """Where processors are shared by session, all that one session computes is taken from all of it, whatever its niceness."""
    aside = Aside()
    assert aside.call(os.getsid, 0) != os.getsid(0)
    assert aside.call(os.nice, 0) > os.nice(0)
    aside.close()


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - nobody tells.
        await asyncio.sleep(0.001)


class Listener:
    def __init__(self, enqueue: Callable[[Batch | None], None]) -> None:
        self.enqueue = enqueue


class Follower:
    """hear: what the follower's thread would call."""

    def attach(self, hear: Any) -> None:
        self.hear = hear


def test_streams_are_handed_their_own_and_with_it_where_all_others_stand() -> None:
    heard: dict[str, list[Batch | None]] = {"acme": [], "globex": []}

    def told(offset: int, organization_id: str | None) -> Told:
        return Told(("c", 0), offset, organization_id, "ws", "change", b"{}")

    async def all_of_them() -> None:
        follower: Any = Follower()
        fanout = Fanout(follower)
        for name, batches in heard.items():
            fanout.attach(name, Listener(batches.append))
        follower.hear([told(1, "acme"), told(2, "globex"), told(3, None), told(4, "initech")])
        await until(lambda: all(heard.values()))
        follower.hear(None)
        await until(lambda: heard["acme"][-1] is None)

    asyncio.run(all_of_them())
    acme, globex = heard["acme"][0], heard["globex"][0]
    assert acme is not None
    assert globex is not None
    assert [[one.offset for one in batch] for batch in (acme, globex)] == [[1, 3], [2, 3]]
    assert acme.here == globex.here == {("c", 0): 5}


def test_between_a_few_streams_others_have_their_turn() -> None:
    turns = 0

    async def all_of_them() -> int:
        nonlocal turns
        follower: Any = Follower()
        fanout = Fanout(follower)
        at: list[int] = []
        for _ in range(AT_ONCE * 10):
            fanout.attach("acme", Listener(lambda _: at.append(turns)))
        follower.hear([Told(("c", 0), 1, "acme", "ws", "change", b"{}")])
        while len(at) < AT_ONCE * 10:
            await asyncio.sleep(0)
            turns += 1
        return max(at.count(turn) for turn in set(at))

    assert asyncio.run(all_of_them()) <= AT_ONCE


def test_streams_are_bounded_by_organization_and_in_all() -> None:
    streams = Streams(Settings(api_streams_max=2, api_streams_total_max=3))
    streams.begin("acme")
    streams.begin("acme")
    with pytest.raises(Problem, match="2 streams of the organization"):
        streams.begin("acme")
    streams.begin("globex")
    with pytest.raises(Problem, match="3 streams are open") as refused:
        streams.begin("initech")
    assert refused.value.response().headers["connection"] == "close"
    streams.end("acme")
    streams.begin("initech")


def test_connections_and_streams_are_as_many_as_there_may_be_files(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = [(1_024, 4_096)]
    monkeypatch.setattr("resource.getrlimit", lambda _: limits[-1])
    monkeypatch.setattr("resource.setrlimit", lambda _, pair: limits.append(pair))
    narrow = within_files(Settings())
    assert limits[-1] == (4_096, 4_096)
    assert narrow.api_connections_max == 4_096 - OTHER_FILES
    assert 2 * narrow.api_streams_total_max <= narrow.api_connections_max
    limits[:] = [(1_024, 1_048_576)]
    assert within_files(Settings()) == Settings()
    assert limits[-1][0] == Settings().api_connections_max + OTHER_FILES


def test_streams_leave_room_for_requests() -> None:
    with pytest.raises(ValueError, match="at least twice"):
        Settings(api_connections_max=100, api_streams_total_max=51)
