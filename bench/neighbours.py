"""The neighbours of `fairness.py`, in a process of their own: `python -m bench.neighbours HOST PORT KEY SILENT STREAMS CHECKS_PER_S CUSTOMER`.

Holds connections that say nothing (each that is closed is opened again), streams of changes, and asks what costs the most to decide, at a
rate, whether or not answers come. Says "ready" when all of it goes on, then once a second how much of it there is. Ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
from collections import Counter
from contextlib import suppress
from typing import Any, Final

import orjson
import uvloop

#: Connections that are opened at once.
_OPENING: Final = 100
CUSTOMER: Final = "ws-noisy"
KEY: Final = "sso"
#: The text that the worst patterns are sought in: as long as a text of a context may be.
WORST_TEXT: Final = "a" * 2_048


def worst_context() -> dict[str, object]:
    """The largest context there may be: many texts, one of them as bad as can be for patterns."""
    more = {f"n{number}": "a" * 1_500 for number in range(18)}
    return {"metadata": {"text": WORST_TEXT, "list": [f"x{number}" for number in range(500)], **more}}


def worst_policies(characters_max: int = 520_000) -> list[dict[str, Any]]:
    """Policies that cost as much as policies of one organization may: each the most that is taken, of all that there is room for.

    Every comparison seeks its pattern in the whole text and does not find it, and each has to be asked.
    """
    pattern = "*" + "a" * 15 + "?" + "a" * 15 + "b*"
    found, characters = [], 0
    while True:
        several = [{"field": "metadata.text", "operator": "matches", "value": pattern} for _ in range(13)]
        policy = {"policy_id": f"p{len(found)}", "effect": "DENY", "conditions": [{"any": several}]}
        characters += len(json.dumps(policy, separators=(",", ":")))
        if characters > characters_max or len(found) == 1_000:
            return found
        found.append(policy)


class _Reading(asyncio.Protocol):
    """One stream, read as cheaply as can be: who reads takes from the processors of the service what others would not."""

    def __init__(self, asked: bytes, counts: Counter[str]) -> None:
        self._asked, self._counts = asked, counts
        self._is_stream = False
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        transport.write(self._asked)

    def data_received(self, data: bytes) -> None:
        if not self._is_stream and data.startswith(b"HTTP/1.1 "):
            self._is_stream = data[9:12] == b"200"
            self._counts["streams" if self._is_stream else "streams_refused"] += 1
        self._counts["events"] += data.count(b"event: change")

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - how it ended is all the same.
        self._counts["streams"] -= self._is_stream
        if not self.ended.done():
            self.ended.set_result(None)


class Neighbours:
    """What they do, and how often."""

    def __init__(self, host: str, port: int, key: str) -> None:
        self._host, self._port, self._key = host, port, key
        self.counts: Counter[str] = Counter()
        self._opening = asyncio.Semaphore(_OPENING)
        self._tasks: set[asyncio.Task[None]] = set()

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        async with self._opening:
            return await asyncio.open_connection(self._host, self._port)

    async def silent(self) -> None:
        """Hold a connection that says nothing; open another when it is closed."""
        while True:
            with suppress(OSError):
                reader, writer = await self._open()
                self.counts["silent"] += 1
                await reader.read()
                self.counts["silent"] -= 1
                self.counts["silent_closed"] += 1
                writer.close()

    async def stream(self) -> None:
        """Hold a stream of changes and read it; ask for another when it ends."""
        loop, asked = asyncio.get_running_loop(), request("GET /v1/changes", self._key)
        while True:
            with suppress(OSError):
                async with self._opening:
                    _, reading = await loop.create_connection(
                        lambda: _Reading(asked, self.counts), self._host, self._port
                    )
                await reading.ended
            await asyncio.sleep(1.0)

    async def checks(self, per_s: float, customer: str) -> None:
        """Ask at a rate; each over a connection of its own, as who means harm would."""
        body = orjson.dumps({"customer_id": customer, "resource_key": KEY, "context": worst_context()})
        asked = request("POST /v1/check", self._key, body, "connection: close")
        loop, due = asyncio.get_running_loop(), asyncio.get_running_loop().time()
        while True:
            task = asyncio.create_task(self._check(asked))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            due += 1.0 / per_s
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _check(self, asked: bytes) -> None:
        with suppress(OSError):
            reader, writer = await self._open()
            writer.write(asked)
            head = await reader.readline()
            await reader.read()
            self.counts[f"checks_{head[9:12].decode()}"] += 1
            writer.close()


def request(line: str, key: str, body: bytes = b"", more: str = "") -> bytes:
    """A request as it is sent."""
    fields = [f"{line} HTTP/1.1", "host: bench", f"authorization: Bearer {key}", more]
    fields += [f"content-length: {len(body)}", "content-type: application/json"] if body else []
    return ("\r\n".join(field for field in fields if field) + "\r\n\r\n").encode() + body


async def _main(host: str, port: int, key: str, silent: int, streams: int, per_s: float, customer: str) -> None:
    neighbours = Neighbours(host, port, key)
    tasks = [asyncio.create_task(neighbours.silent()) for _ in range(silent)]
    tasks += [asyncio.create_task(neighbours.stream()) for _ in range(streams)]
    # Nobody can be told of: it is one moment of thousands of connections.
    while neighbours.counts["silent"] < silent * 0.9 or neighbours.counts["streams"] < streams * 0.9:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    if per_s:
        tasks.append(asyncio.create_task(neighbours.checks(per_s, customer)))
    print("ready", flush=True)
    ended = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    while not ended.done():
        await asyncio.sleep(0.5)
        print(json.dumps(neighbours.counts), flush=True)
    for task in tasks:
        task.cancel()


if __name__ == "__main__":
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    host, port, key, silent, streams, per_s, customer = sys.argv[1:]
    uvloop.run(_main(host, int(port), key, int(silent), int(streams), float(per_s), customer))
