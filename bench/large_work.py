"""Large work of one organization, as a process: `python -m bench.large_work HOST PORT KEY KIND CONNECTIONS CUSTOMER`.

Each connection sends the largest call of its kind that is allowed, and the next as soon as it is answered. Says once a second how many were
answered, by status. Ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any, Final

import orjson
import uvloop

from bench.neighbours import KEY, request, worst_context, worst_policies

#: Lines, events or questions of one call: the most that is allowed.
MANY: Final = 10_000
#: Customers of the organization, ws-noisy-0 and so on, each with a pool of its own.
CUSTOMERS: Final = 1_000
#: How their ids begin. A customer's whole id is possible too: then all is about that one.
CUSTOMER: Final = "ws-noisy-"
#: Stands in a body for the number of its call: it is made once, so that who asks takes little of the processors.
CALL: Final = "########"
#: Attributes that nobody reads: with them an event has 1.6 KB, and 10,000 of them 16 MiB.
_MORE: Final = {f"x{number}": "a" * 40 for number in range(29)}


def _checks() -> tuple[str, Any]:
    context = {"metadata": {"text": "a" * 600}}
    return "/v1/checks", {
        "checks": [{"customer_id": f"{CALL}-{n}", "resource_key": KEY, "context": context} for n in range(MANY)]
    }


def _remaining() -> tuple[str, Any]:
    return "/v1/remaining", {"customer_ids": [f"{CALL}-{n}" for n in range(MANY)], "resource_keys": [KEY]}


def _usage() -> tuple[str, Any]:
    lines = [{**_used(n), "mode": "report", "usage_id": f"{CALL}-{n}"} for n in range(MANY)]
    return "/v1/usage/batch", {"usage": lines}


def _customer(number: int) -> str:
    return f"{CUSTOMER}{number % CUSTOMERS}" if _about == CUSTOMER else _about


def _used(number: int) -> dict[str, Any]:
    return {"customer_id": _customer(number), "resource_key": "api_calls"}


def _event(number: int) -> dict[str, Any]:
    named = {"specversion": "1.0", "id": f"{CALL}-{number}", "source": "/bench", "type": "call"}
    return {**named, "subject": _customer(number), "data": {"resource_key": "api_calls"}}


def _events() -> tuple[str, Any]:
    return "/v1/events/batch", [_event(n) | _MORE for n in range(MANY)]


def _hot_events() -> tuple[str, Any]:
    """All of one customer: one pool, and one partition of the log."""
    return "/v1/events/batch", [_event(n) | {"subject": _customer(0)} for n in range(MANY)]


def _reservations() -> tuple[str, Any]:
    named = {"op": "reserve", "expires_in": 1, "quantity": 1}
    return "/v1/reservations/batch", {
        "operations": [{**named, **_used(n), "reservation_id": f"{CALL}-{n}"} for n in range(MANY)]
    }


def _reports() -> tuple[str, Any]:
    named = {"decided_at": "2026-12-01T12:00:00Z", "resource_key": KEY, "allowed": True, "reason_code": "allowed"}
    return "/v1/access-log", {
        "decisions": [{**named, "source": "LOCAL", "customer_id": _customer(n), "count": 1} for n in range(MANY)]
    }


def _dry_runs() -> tuple[str, Any]:
    named = {"customer_id": _customer(0), "resource_key": KEY, "context": worst_context()}
    return "/v1/policies/dry-run", named | {"policies": worst_policies(1_900_000)}


#: Whom it is about.
_about = CUSTOMER
KINDS: Final[dict[str, Callable[[], tuple[str, Any]]]] = {
    "checks": _checks,
    "remaining": _remaining,
    "usage": _usage,
    "events": _events,
    "hot_events": _hot_events,
    "reservations": _reservations,
    "reports": _reports,
    "dry_runs": _dry_runs,
}


class Work:
    """Calls of one kind, and what was answered."""

    def __init__(self, host: str, port: int, key: str, kind: str) -> None:
        self._host, self._port = host, port
        path, document = KINDS[kind]()
        self._request = request(f"POST {path}", key, orjson.dumps(document))
        self.counts: Counter[str] = Counter()
        self._calls = count()

    async def go_on(self) -> None:
        """Call again and again; over a new connection where one was closed."""
        while True:
            with suppress(OSError, EOFError):
                reader, writer = await asyncio.open_connection(self._host, self._port)
                while True:
                    writer.write(self._request.replace(CALL.encode(), b"%08d" % next(self._calls)))
                    head = await reader.readuntil(b"\r\n\r\n")
                    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                    answer = await reader.readexactly(int(length[15:]))
                    self.counts[head[9:12].decode()] += 1
                    if head[9:12] != b"200":
                        print(answer[:300].decode(), file=sys.stderr)
                        await asyncio.sleep(0.1)
            await asyncio.sleep(0.1)


async def _main(host: str, port: int, key: str, kind: str, connections: int) -> None:
    work = Work(host, port, key, kind)
    tasks = [asyncio.create_task(work.go_on()) for _ in range(connections)]
    print("ready", flush=True)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not ended.done():
        await asyncio.sleep(0.5)
        print(json.dumps(work.counts), flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    host, port, key, kind, connections, _about = sys.argv[1:]
    uvloop.run(_main(host, int(port), key, kind, int(connections)))
