"""A sign of life says that nothing happened: there is none while nobody would hear of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from entitlements.api import streaming


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
