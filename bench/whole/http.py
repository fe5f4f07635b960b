"""Usage and checks over HTTP, one request at a time: ours, and in turn with it, in one run, what a team would build instead.

10,000 customers, at 1, 8, 64 and 256 connections (checks at 8 and 64) that each ask again as soon as they are answered. Every process of an installation is
at work and writes what it must; between two runs everything catches up, and all of that is in the processor time of a request.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import orjson

from bench.place import Place
from bench.whole import cpu, rivals
from bench.whole.installation import CUSTOMERS, Whole, everything
from bench.whole.load import Result, at_random, by_zipf, offer, write_requests

CONNECTIONS: Final = (1, 8, 64, 256)
CONNECTIONS_OF_CHECKS: Final = (8, 64)
#: Seconds of a run, and of one before all others that counts for nothing, with so many connections: caches are full afterwards, and the
#: broker's compiler, which takes half of a core while code is new, has done its work.
MEASURED_FOR: Final = 4.0
MEASURED_FOR_QUICK: Final = 2.0
WARMED_FOR: Final = 20.0
WARMED_BY: Final = 64
#: Processes that have a figure of their own; all others are in "other".
_NAMED: Final = ("kafka", "postgres", "api", "engine", "projector", "publisher", "changes", "rivals", "valkey")
_QUESTION: Final = {"resource_key": "sso"}
_USAGE: Final = {"resource_key": "api_calls", "quantity": 1}


@dataclass(frozen=True)
class Contender:
    """Something that is asked, and in what order about its customers."""

    name: str
    port: int
    requests: Path
    is_ours: bool
    #: How much usage it holds; None: not counted.
    recorded: Callable[[], int] | None = None


@dataclass
class Figures:
    """What came of the runs, by figure; of several rounds the median counts."""

    runs: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def note(self, name: str, result: Result, spent: Mapping[str, float], *, by_process: bool) -> None:
        """Note a run. spent: seconds of processor time by process."""
        per_request = {process: seconds / result.requests * 1e6 for process, seconds in spent.items()}
        said = {"per_s": result.per_s, "p50_ms": result.p50_ms, "p99_ms": result.p99_ms}
        said["cpu_us"] = sum(per_request.values())
        if by_process:
            others = sum(us for process, us in per_request.items() if process not in _NAMED)
            said |= {f"cpu_us_{process}": per_request[process] for process in _NAMED if process in per_request}
            said["cpu_us_other"] = others
        for figure, value in said.items():
            self.runs[f"{name}_{figure}"].append(value)

    def medians(self) -> dict[str, float]:
        """One value for each figure."""
        return {name: statistics.median(values) for name, values in self.runs.items()}


def use(place: Place) -> dict[str, float]:
    """One POST /v1/usage for each thing done."""
    with everything(place) as whole:
        contenders = list(_of_usage(whole))
        _warm(whole, contenders)
        return _measured(whole, contenders, CONNECTIONS)


def check(place: Place) -> dict[str, float]:
    """One POST /v1/check before each thing done, over all customers."""
    with everything(place) as whole:
        contenders = list(_of_checks(whole))
        _warm(whole, contenders)
        return _measured(whole, contenders, CONNECTIONS_OF_CHECKS)


def _of_usage(whole: Whole) -> Iterator[Contender]:
    count = whole.place.sized(CUSTOMERS)
    url, bodies = whole.settings.postgres, _bodies(_USAGE, count)
    for name, order in (("http_use", at_random(count)), ("http_use_zipf", by_zipf(count))):
        requests = write_requests(whole.files / name, "/v1/usage", whole.key, bodies, order)
        yield Contender(name, whole.settings.api_port, requests, True, whole.recorded)
    for name, path in (("baseline", "/usage"), ("procedure", "/usage/procedure"), ("valkey", "/usage/valkey")):
        requests = write_requests(whole.files / name, path, "none", bodies, at_random(count))
        recorded = None if name == "valkey" else lambda: rivals.recorded(url)
        yield Contender(f"{name}_use", whole.rivals_port, requests, False, recorded)


def _of_checks(whole: Whole) -> Iterator[Contender]:
    count = whole.place.sized(CUSTOMERS)
    bodies, order = _bodies(_QUESTION, count), at_random(count)
    ours = write_requests(whole.files / "http_check_all", "/v1/check", whole.key, bodies, order)
    theirs = write_requests(whole.files / "baseline_check", "/check", "none", bodies, order)
    for port, path, body in (
        (whole.settings.api_port, "/v1/check", bodies[0]),
        (whole.rivals_port, "/check", bodies[0]),
    ):
        answer = httpx.post(
            f"http://127.0.0.1:{port}{path}",
            content=body,
            headers={"authorization": f"Bearer {whole.key}", "content-type": "application/json"},
        )
        assert answer.json()["allowed"] is True, answer.text
    yield Contender("http_check_all", whole.settings.api_port, ours, is_ours=True)
    yield Contender("baseline_check", whole.rivals_port, theirs, is_ours=False)


def _bodies(said: Mapping[str, object], count: int) -> list[bytes]:
    return [orjson.dumps({"customer_id": f"ws-{number}"} | said) for number in range(count)]


def _warm(whole: Whole, contenders: list[Contender]) -> None:
    """Every customer is asked about once: caches are full, as they are after a minute of any day."""
    asked = {
        "customer_ids": [f"ws-{number}" for number in range(whole.place.sized(CUSTOMERS))],
        "resource_keys": ["sso"],
    }
    url = f"http://127.0.0.1:{whole.settings.api_port}/v1/checks"
    answer = httpx.post(url, json=asked, headers={"authorization": f"Bearer {whole.key}"}, timeout=60.0)
    assert answer.status_code == 200, answer.text
    for one in contenders:
        offer(one.port, one.requests, WARMED_BY, WARMED_FOR)


def _measured(whole: Whole, contenders: list[Contender], connections: tuple[int, ...]) -> dict[str, float]:
    place, figures = whole.place, Figures()
    seconds = MEASURED_FOR if place.scale == 1 else MEASURED_FOR_QUICK
    steps, done = place.rounds * len(connections) * len(contenders), 0
    for turn in range(place.rounds):
        for number in connections:
            for one in contenders:
                place.say(f"{one.name}, {number} connections")
                _run(whole, one, number, seconds, turn, figures)
                done += 1
                place.progress(done / steps)
    return figures.medians()


def _run(whole: Whole, one: Contender, connections: int, seconds: float, turn: int, figures: Figures) -> None:
    whole.settle()
    held, before = one.recorded and one.recorded(), cpu.seconds_of(whole.pids())
    result = offer(one.port, one.requests, connections, seconds, begin=turn * 31_337)
    whole.settle()
    after = cpu.seconds_of(whole.pids())
    if one.recorded is not None and held is not None:
        # Whoever was not answered when the time was over may have been counted: never less than was answered, at most one a connection.
        more = one.recorded() - held
        assert result.requests <= more <= result.requests + connections, (
            f"{one.name}: {result.requests} answered, {more} held"
        )
    spent = {name: after[name] - before[name] for name in after}
    figures.note(f"{one.name}_{connections}", result, spent, by_process=one.is_ours and connections in {8, 64})
