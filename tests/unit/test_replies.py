"""Outcomes on the short way: what is taken is heard, once and whole; what is not taken is told so, and never waited for."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable

import pytest

from entitlements.ledger import replies
from entitlements.ledger.caller import new_id
from entitlements.ledger.hearing import Hearing
from entitlements.ledger.replies import BYTES_MAX, Replies


def eventually(holds: Callable[[], bool], within_for: float = 5.0) -> None:
    until = time.monotonic() + within_for
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.005)


def test_a_caller_in_a_thread_hears_several_engines_in_order() -> None:
    heard: list[bytes] = []
    name = new_id()
    hearing = Hearing(name, heard.append)
    hearing.hear_in_thread()
    one, other = Replies(), Replies()
    for number in range(50):
        assert one.send(name, b"one %d" % number)
        assert other.send(name, b"other %d" % number)
    eventually(lambda: len(heard) == 100)
    for engine in (b"one", b"other"):
        assert [said for said in heard if said.startswith(engine)] == [b"%b %d" % (engine, n) for n in range(50)]
    for engine_side in (one, other):
        engine_side.close()
    hearing.close()


def test_a_caller_in_a_loop_hears_in_the_loops_thread() -> None:
    heard: list[tuple[bytes, int]] = []
    name, engine = new_id(), Replies()

    async def listen() -> None:
        hearing = Hearing(name, lambda value: heard.append((value, threading.get_ident())))
        # What comes before it hears waits for it.
        assert engine.send(name, b"early")
        loop = asyncio.get_running_loop()
        hearing.hear_in_loop(loop)
        hearing.hear_in_loop(loop)
        assert engine.send(name, b"late")
        while len(heard) < 2:  # noqa: ASYNC110 - what is waited for is no event of this loop.
            await asyncio.sleep(0.005)
        hearing.close()
        while engine.send(name, b"too late"):  # noqa: ASYNC110
            await asyncio.sleep(0.005)

    asyncio.run(asyncio.wait_for(listen(), 5))
    assert heard == [(b"early", threading.get_ident()), (b"late", threading.get_ident())]


def test_nobody_is_there() -> None:
    assert not Replies().send(new_id(), b"outcome")


def test_a_message_is_whole_however_large_it_may_be() -> None:
    heard: list[bytes] = []
    name, engine = new_id(), Replies()
    hearing = Hearing(name, heard.append)
    hearing.hear_in_thread()
    assert engine.send(name, b"x" * BYTES_MAX)
    assert not engine.send(name, b"x" * (BYTES_MAX + 1)), "it takes the long way"
    eventually(lambda: heard == [b"x" * BYTES_MAX])
    hearing.close()
    engine.close()


def test_a_caller_that_is_slow_keeps_no_engine_waiting_and_loses_nothing_that_was_taken() -> None:
    heard: list[bytes] = []
    name, engine = new_id(), Replies()
    hearing = Hearing(name, heard.append)
    taken = 0
    began = time.monotonic()
    while engine.send(name, b"%d" % taken):
        taken += 1
        assert taken < 1_000_000, "its bounds are never reached: nothing was tested"
    assert time.monotonic() - began < 5
    hearing.hear_in_thread()
    eventually(lambda: len(heard) == taken)
    assert heard == [b"%d" % number for number in range(taken)]
    eventually(lambda: engine.send(name, b"again"))
    hearing.close()
    engine.close()


def test_a_caller_that_has_gone_is_not_looked_for_again() -> None:
    name, engine = new_id(), Replies()
    hearing = Hearing(name, lambda _: None)
    hearing.hear_in_thread()
    assert engine.send(name, b"outcome")
    hearing.close()
    eventually(lambda: not engine.send(name, b"outcome"))
    assert engine._callers == {name: None}


def test_an_engine_remembers_so_many_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replies, "CALLERS_MAX", 2)
    engine = Replies()
    listeners = [replies.listening(name) for name in ("a" + new_id(), "b" + new_id(), "c" + new_id())]
    names = [listener.getsockname().decode().removeprefix("\0entitlements/") for listener in listeners if listener]
    for name in names:
        assert engine.send(name, b"outcome")
    assert list(engine._callers) == names[1:]
    engine.close()
    for listener in listeners:
        assert listener is not None
        listener.close()


def test_another_user_is_neither_heard_nor_told(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    name = new_id()
    hearing = Hearing(name, heard.append)
    hearing.hear_in_thread()
    monkeypatch.setattr(replies, "_is_ours", lambda _: False)
    assert not Replies().send(name, b"outcome")
    hearing.close()
    assert heard == []
