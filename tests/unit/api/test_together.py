"""Each command is sent once, in the order it came, and none waits for longer than it may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from entitlements.api.together import Place, Together

NEVER_FOR = 3600.0


def in_a_loop(steps: Callable[[], None]) -> None:
    async def run() -> None:
        steps()

    asyncio.run(run())


def test_the_first_goes_at_once_and_the_others_when_it_is_answered() -> None:
    def steps() -> None:
        together, sent = Together(NEVER_FOR), list[str]()
        first = together.send(0, lambda: sent.append("first"))
        others = [together.send(0, lambda name=name: sent.append(name)) for name in "abc"]
        assert sent == ["first"]
        first.leave()
        assert sent == ["first", "a", "b", "c"]
        late = together.send(0, lambda: sent.append("late"))
        for other in others[:2]:
            other.leave()
        assert sent[4:] == [], "one of those before it is not answered"
        others[2].leave()
        assert sent[4:] == ["late"]
        late.leave()

    in_a_loop(steps)


def test_partitions_do_not_wait_for_each_other() -> None:
    def steps() -> None:
        together, sent = Together(NEVER_FOR), list[int]()
        for partition in range(3):
            together.send(partition, lambda partition=partition: sent.append(partition))
        assert sent == [0, 1, 2]

    in_a_loop(steps)


def test_who_is_never_answered_holds_nobody_up_for_long() -> None:
    async def run() -> None:
        together, sent, both = Together(0.01), list[str](), asyncio.Event()
        together.send(0, lambda: sent.append("unanswered"))
        together.send(0, lambda: sent.append("a"))
        together.send(0, both.set)
        async with asyncio.timeout(5):
            await both.wait()
        assert sent == ["unanswered", "a"]

    asyncio.run(run())


def test_who_gives_up_before_its_turn_is_not_sent() -> None:
    def steps() -> None:
        together, sent = Together(NEVER_FOR), list[str]()
        first = together.send(0, lambda: sent.append("first"))
        gone, stays = (together.send(0, lambda name=name: sent.append(name)) for name in ("gone", "stays"))
        gone.leave()
        first.leave()
        stays.leave()
        assert sent == ["first", "stays"]
        together.send(0, lambda: sent.append("next"))
        assert sent == ["first", "stays", "next"], "nobody is under way"

    in_a_loop(steps)


@given(st.lists(st.tuples(st.sampled_from(["send", "answer", "give up"]), st.integers(0, 1), st.integers(0, 9))))
def test_whatever_comes_and_goes_each_is_sent_at_most_once_in_order_and_all_who_stay_are(
    steps: list[tuple[str, int, int]],
) -> None:
    def run() -> None:
        together = Together(NEVER_FOR)
        sent: dict[int, list[int]] = {0: [], 1: []}
        open_: dict[int, list[tuple[int, Place]]] = {0: [], 1: []}
        given_up, number = set[int](), 0
        for what, partition, which in steps:
            here = open_[partition]
            if what == "send":
                number += 1
                here.append((number, together.send(partition, lambda p=partition, n=number: sent[p].append(n))))
            elif here:
                at = which % len(here)
                if what == "answer" and here[at][0] not in sent[partition]:
                    continue  # Nobody answers what was not sent.
                name, place = here.pop(at)
                if what == "give up" and name not in sent[partition]:
                    given_up.add(name)
                place.leave()
            waiting = {name for name, _ in here} - set(sent[partition])
            assert not waiting or any(name in sent[partition] for name, _ in here), "somebody is waited for"
        for partition, here in open_.items():
            while here:
                at = next(at for at, (name, _) in enumerate(here) if name in sent[partition])
                here.pop(at)[1].leave()
            assert sent[partition] == sorted(set(sent[partition]))
        assert set(sent[0]) | set(sent[1]) == set(range(1, number + 1)) - given_up

    in_a_loop(run)
