"""The quiet organization of `fairness.py`, in a process of its own: `python -m bench.questions HOST PORT KEY SECONDS PER_S [KIND,..]`.

Open-loop: each question has an instant at which it is due, whatever has come back, and its wait is counted from there: a pause of the
service (or ours) is in all questions that were due meanwhile. How late we are ourselves is told beside it: what a processor that others
use adds to each wait is no fault of the service.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
import uvloop

from bench import neighbours, serving
from entitlements.settings import Settings

CONNECTIONS: Final = 16
#: Checks of a small call of many.
BULK: Final = 50


@dataclass(slots=True)
class Waits:
    """Seconds: from when each question was due to its answer, and to the moment we came to send it. by_kind: the former."""

    answered: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    by_kind: dict[str, list[float]] = field(default_factory=dict)


def asked(settings: Settings, key: str, seconds: float, per_s: float, kinds: Sequence[str] = ("check",)) -> Waits:
    """Ask on schedule, from another process, kinds in turn. Raises CalledProcessError: an answer was none."""
    command = [sys.executable, "-m", "bench.questions", settings.api_host, str(settings.api_port), key]
    done = subprocess.run(
        [*command, str(seconds), str(per_s), ",".join(kinds)],
        stdout=subprocess.PIPE,
        check=True,
        start_new_session=True,
    )
    return Waits(**json.loads(done.stdout))


def _check(key: str, customer: int) -> bytes:
    return serving.request(key, customer)


def _use(key: str, customer: int) -> bytes:
    return _post("/v1/usage", key, {"customer_id": f"ws-{customer}", "resource_key": "api_calls"})


def _bulk(key: str, customer: int) -> bytes:
    """A few checks in one call: enough that they are decided beside the loop."""
    checks = [{"customer_id": f"ws-{customer}", "resource_key": "sso"} for _ in range(BULK)]
    return _post("/v1/checks", key, {"checks": checks})


def _post(path: str, key: str, document: dict[str, Any]) -> bytes:
    return neighbours.request(f"POST {path}", key, orjson.dumps(document))


_KINDS: Final[dict[str, Callable[[str, int], bytes]]] = {"check": _check, "use": _use, "bulk": _bulk}


async def _ask_all(host: str, port: int, key: str, seconds: float, per_s: float, kinds: Sequence[str]) -> Waits:
    loop, waits = asyncio.get_running_loop(), Waits()
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(host, port))
    began = loop.time() + 0.1

    async def ask(number: int, due: float) -> None:
        reader, writer = await free.get()
        kind = kinds[number % len(kinds)]
        writer.write(_KINDS[kind](key, number % serving.ASKED_ABOUT))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length[15:]))
        waits.answered.append(loop.time() - due)
        waits.by_kind.setdefault(kind, []).append(waits.answered[-1])
        free.put_nowait((reader, writer))

    async with asyncio.TaskGroup() as tasks:
        for number in range(int(seconds * per_s)):
            due = began + number / per_s
            await asyncio.sleep(max(0.0, due - loop.time()))
            waits.own.append(max(0.0, loop.time() - due))
            tasks.create_task(ask(number, due))
    while not free.empty():
        free.get_nowait()[1].close()
    return waits


def _be_served_first() -> None:
    """Ask the system to run us before others, where it lets us: we need little, and who measures must not be who is waited for."""
    with suppress(OSError):
        os.nice(-10)
        Path("/proc/self/autogroup").write_text("-10", encoding="ascii")  # Linux weighs sessions before processes.


def _main(host: str, port: str, key: str, seconds: str, per_s: str, kinds: str = "check") -> None:
    _be_served_first()
    gc.collect()
    gc.freeze()
    waits = uvloop.run(_ask_all(host, int(port), key, float(seconds), float(per_s), kinds.split(",")))
    json.dump(asdict(waits), sys.stdout)


if __name__ == "__main__":
    _main(*sys.argv[1:])
