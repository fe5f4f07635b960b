"""The HTTP API: more customers in its cache, and more workers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import httpx
import orjson

from bench.growth.curves import Points, with_point
from bench.growth.memory import megabytes_of
from bench.installations import an_installation
from bench.place import FOLDER, Place
from bench.rounds import median
from bench.whole import cpu
from bench.whole.load import at_random, offer, write_requests
from entitlements.settings import Settings
from entitlements.wiring.supervisor import Supervisor

ASKED_ABOUT: Final = (100, 1_000, 10_000, 20_000)
ASKED_ABOUT_QUICK: Final = (100, 1_000)
#: Customers whose views every worker has soon.
FEW: Final = 100
WORKERS: Final = (1, 2, 3, 4)
CONNECTIONS: Final = 16
#: Of the workers together: enough for each to have some.
CONNECTIONS_OF_WORKERS: Final = 64
MEASURED_FOR: Final = 5.0
#: As long as a view of features is kept, so that loading all of them again is in each figure.
RELOADED_FOR: Final = 10.0
WARMED_FOR: Final = 3.0
#: Customers of a bulk request.
_AT_ONCE: Final = 500


def customers(place: Place) -> dict[str, Points]:
    """One worker that is asked about ever more customers in turn. It keeps the views of 10,000."""
    found: dict[str, Points] = {}
    sizes = ASKED_ABOUT if place.scale == 1 else ASKED_ABOUT_QUICK
    with an_installation(place, "cache", customers=sizes[-1]) as (settings, key, supervisor):
        _settle(place, supervisor)
        for count in sizes:
            place.say(f"asks about {count:,} customers")
            _ask_about_all(settings, key, count)
            requests = _requests("check", key, {"resource_key": "sso"}, count)
            rates = _rates(place, settings, requests, CONNECTIONS, RELOADED_FOR)
            with_point(place, found, "customers", count, {
                "growth_customers_checks_per_s": rates,
                "growth_customers_api_mb": megabytes_of(_pid(supervisor)),
            })  # fmt: skip
    return found


def workers(place: Place) -> dict[str, Points]:
    """Workers on these cores, with everything else. Each keeps views of its own: of few customers, so that loading them does not count."""
    found: dict[str, Points] = {}
    for count in WORKERS:
        with an_installation(place, f"workers-{count}", api_workers=count) as (settings, key, supervisor):
            _settle(place, supervisor)
            place.say(f"asks {count} workers")
            checks = _requests("check", key, {"resource_key": "sso"}, FEW)
            usage = _requests("usage", key, {"resource_key": "api_calls", "quantity": 1}, FEW)
            with_point(place, found, "workers", count, {
                "growth_workers_checks_per_s": _rates(place, settings, checks, CONNECTIONS_OF_WORKERS),
                "growth_workers_usage_per_s": _rates(place, settings, usage, CONNECTIONS_OF_WORKERS),
            })  # fmt: skip
    return found


def _settle(place: Place, supervisor: Supervisor) -> None:
    """Wait until all customers have reached everybody."""
    kafka, postgres = place.stack.kafka_server.pid, place.stack.postgres_server.pid
    assert kafka is not None and postgres is not None  # noqa: PT018
    place.say("waits until nothing is left to do")
    cpu.settle(
        lambda: {name: pid for name, pid in supervisor.pids().items() if pid} | {"kafka": kafka, "postgres": postgres}
    )


def _rates(place: Place, settings: Settings, requests: Path, connections: int, seconds: float = MEASURED_FOR) -> float:
    offer(settings.api_port, requests, connections, WARMED_FOR)
    return median(
        offer(settings.api_port, requests, connections, seconds * place.scale, begin=turn * 31_337).per_s
        for turn in range(place.rounds)
    )


def _requests(path: str, key: str, body: dict[str, object], count: int) -> Path:
    bodies = [orjson.dumps({"customer_id": f"ws-{number}"} | body) for number in range(count)]
    return write_requests(FOLDER / f"growth-{path}", f"/v1/{path}", key, bodies, at_random(count))


def _ask_about_all(settings: Settings, key: str, count: int) -> None:
    """So that the cache holds as many views as it can."""
    url, headers = f"http://127.0.0.1:{settings.api_port}/v1/checks", {"authorization": f"Bearer {key}"}
    for first in range(0, count, _AT_ONCE):
        names = [f"ws-{number}" for number in range(first, min(count, first + _AT_ONCE))]
        answer = httpx.post(url, json={"customer_ids": names, "resource_keys": ["sso"]}, headers=headers, timeout=60.0)
        assert answer.status_code == 200, answer.text


def _pid(supervisor: Supervisor) -> int:
    pid = supervisor.pids()["api"]
    assert pid is not None, "the API is down"
    return pid
