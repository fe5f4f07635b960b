"""A sign of life says that nothing happened: there is none while nobody would hear of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from entitlements.api import streaming
from entitlements.api.fanout import Batch
from entitlements.api.following import Told


class Nothing:
    """A log in which nothing happens. late_for: since when nobody hears of it."""

    def __init__(self, late_for: float = 0.0) -> None:
        self.late_for = late_for
        self.here: dict[Any, int] = {}

    def attach(self, *_: Any) -> None: ...

    def detach(self, *_: Any) -> None: ...


async def heard_in_a_moment(services: Any) -> list[bytes]:
    asker: Any = SimpleNamespace(organization_id="acme", unit_id="")
    listening = streaming._Listening(services, asker, frozenset())
    until = asyncio.get_running_loop().time() + 0.2

    async def is_let_in() -> bool:
        return asyncio.get_running_loop().time() < until

    return [event async for event in listening.events(None, is_let_in)]


@pytest.mark.parametrize(("follower", "floors"), [(0.0, 0.0), (60.0, 0.0), (0.0, 60.0)])
def test_signs_of_life_are_those_of_whoever_hears(
    monkeypatch: pytest.MonkeyPatch, follower: float, floors: float
) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT_FOR", 0.02)
    monkeypatch.setattr(streaming, "ASK_AGAIN_FOR", 0.01)
    services = SimpleNamespace(follower=Nothing(follower), floors=Nothing(floors), fanout=Nothing())
    heard = asyncio.run(heard_in_a_moment(services))
    assert heard[0].endswith(b"event: hello\ndata: {}\n\n")
    assert (b": alive\n\n" in heard) is (follower == floors == 0.0)


class Looks:
    """Counts how often it is asked whether the key still counts. so_often: then it does no more."""

    def __init__(self, so_often: int = 1_000) -> None:
        self.count, self._so_often = 0, so_often

    async def __call__(self) -> bool:
        self.count += 1
        return self.count < self._so_often


def told(offset: int) -> Batch:
    return Batch([Told(("c", 0), offset, "acme", "c", "change", b"{}")], {("c", 0): offset + 1})


async def sent(batches: int, looks: Looks, stop_after: int) -> int:
    """How many events a stream sends of so many that wait, at most so many."""
    services: Any = SimpleNamespace(follower=Nothing(), floors=Nothing(), fanout=Nothing())
    asker: Any = SimpleNamespace(organization_id="acme", unit_id="")
    listening = streaming._Listening(services, asker, frozenset())
    for offset in range(batches):
        listening.enqueue(told(offset))
    events = listening.events(None, looks)
    found = 0
    async for each in events:
        found += each.count(b"event: change")
        await asyncio.sleep(0)
        if found == stop_after:
            return found
    return found


def test_an_event_costs_no_look_at_the_key() -> None:
    looks = Looks()
    assert asyncio.run(sent(100, looks, 100)) == 100
    assert looks.count == 0


def test_a_stream_with_much_to_send_ends_with_its_key_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "ASK_AGAIN_FOR", 0.0)
    assert asyncio.run(sent(1_000, Looks(3), 1_000)) < 1_000
