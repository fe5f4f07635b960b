"""What all throughput figures of the engine share: pause it, load, let go, wait, read the figure off the log.

The engine is a process of its own. While a load is put on the command log it is stopped (SIGSTOP, far shorter than its
session), so the load does not compete with it and it finds everything there. Its rate runs from the instant the first frame
was written to the instant the last outcome was sent, which is after the broker acknowledged the last frame; what the first frame
holds is not counted, as its time is not.
"""

from __future__ import annotations

import random
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from bench import work
from bench.place import Place, a_process, decided, ends
from bench.reading import Chain, Ledger, Outcomes, outcomes_since
from entitlements.domain.commands import Command
from entitlements.settings import Settings

WAIT_FOR_MAX: Final = 300.0
LOOK_EVERY_FOR: Final = 0.5

#: Commands of one round and the quantity that each asks for.
Load = Callable[[random.Random], Iterable[tuple[Command, int]]]


@dataclass
class Opened:
    """Engines at work, and a chain of frames in which pools are open and nothing is used yet."""

    place: Place
    settings: Settings
    engines: list[subprocess.Popen[bytes]]
    chain: Chain
    sent: int = 0

    def rate(self, load: Iterable[tuple[Command, int]]) -> float:
        """Lines per second of one round. Raises AssertionError when the ledger does not hold exactly what was sent."""
        self.place.say("loads")
        start = ends(self.settings, "outcomes")
        asked = _load_paused(self.engines, self.settings, load)
        self.place.say("decides")
        wait_until_decided(self.place, self.settings, self.engines)
        self.place.say("checks")
        self.sent += sum(asked)
        return _rate_of(self.chain.read_on(), outcomes_since(self.settings, start), asked, self.sent)


@contextmanager
def opened(place: Place, settings: Settings, pools: list[str], engines: int = 1) -> Iterator[Opened]:
    """Start engines and open pools."""
    with ExitStack() as stack:
        processes = [stack.enter_context(a_process(settings, "engine")) for _ in range(engines)]
        place.say("opens pools")
        work.load(settings, work.openings(pools))
        wait_until_decided(place, settings, processes)
        chain = Chain(settings)
        assert not chain.read_on().lines, "nothing was used yet"
        yield Opened(place, settings, processes, chain)


def rates(place: Place, settings: Settings, pools: list[str], load: Load) -> list[float]:
    """Lines per second of each round. Raises AssertionError when the ledger does not hold exactly what was sent."""
    chance = random.Random(settings.topic_prefix)
    with opened(place, settings, pools) as engine:
        return [engine.rate(load(chance)) for _ in range(place.rounds)]


def median(values: Iterable[float]) -> float:
    """The middle one: a shared machine has bad moments."""
    return statistics.median(values)


def _load_paused(
    engines: Sequence[subprocess.Popen[bytes]], settings: Settings, load: Iterable[tuple[Command, int]]
) -> list[int]:
    asked: list[int] = []

    def counted() -> Iterator[Command]:
        for command, quantity in load:
            asked.append(quantity)
            yield command

    for engine in engines:
        engine.send_signal(signal.SIGSTOP)
    try:
        work.load(settings, counted())
    finally:
        for engine in engines:
            engine.send_signal(signal.SIGCONT)
    return asked


def wait_until_decided(
    place: Place, settings: Settings, engines: Sequence[subprocess.Popen[bytes]], within: float = WAIT_FOR_MAX
) -> None:
    """Wait until engines have decided every command there is. Raises AssertionError when one ends or it takes too long."""
    goal = ends(settings, "commands")
    before = sum(decided(settings).values())
    until = time.monotonic() + within
    while True:
        stand = decided(settings)
        if all(stand[number] >= goal[number] for number in goal):
            place.progress(1.0)
            return
        assert all(engine.poll() is None for engine in engines), "an engine ended"
        assert time.monotonic() < until, f"the engine stands at {stand}, to be at {goal}"
        place.progress((sum(stand.values()) - before) / max(1, sum(goal.values()) - before))
        time.sleep(LOOK_EVERY_FOR)


def _rate_of(ledger: Ledger, outcomes: Outcomes, asked: list[int], sent: int) -> float:
    assert ledger.quantity == sum(asked), f"{sum(asked)} were sent, the ledger recorded {ledger.quantity}"
    assert sum(ledger.totals.values()) == sent, f"{sent} were sent in all, the totals say {sum(ledger.totals.values())}"
    assert outcomes.commands == len(asked), f"{len(asked)} were asked, {outcomes.commands} were answered"
    assert outcomes.accepted_lines == ledger.lines, f"{ledger.lines} recorded, {outcomes.accepted_lines} accepted"
    assert outcomes.refused == 0, f"{outcomes.refused} commands were refused"
    first = min(ledger.frames, key=lambda frame: frame.at_ms)
    assert len(ledger.frames) > 2, "too few frames to measure; the load is too small"
    return (ledger.lines - first.lines) / (outcomes.last_at_ms - first.at_ms) * 1_000
