"""The quiet organization of `fairness.py`, in a process of its own: `python -m bench.questions HOST PORT KEY SECONDS PER_S`.

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
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import uvloop

from bench import serving
from entitlements.settings import Settings

CONNECTIONS: Final = 16


@dataclass(slots=True)
class Waits:
    """Seconds: from when each question was due to its answer, and to the moment we came to send it."""

    answered: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)

    def __iadd__(self, other: Waits) -> Self:
        self.answered += other.answered
        self.own += other.own
        return self


def asked(settings: Settings, key: str, seconds: float, per_s: float) -> Waits:
    """Ask on schedule, from another process. Raises CalledProcessError: an answer was none."""
    command = [sys.executable, "-m", "bench.questions", settings.api_host, str(settings.api_port), key]
    done = subprocess.run(
        [*command, str(seconds), str(per_s)], stdout=subprocess.PIPE, check=True, start_new_session=True
    )
    return Waits(**json.loads(done.stdout))


async def _ask_all(host: str, port: int, key: str, seconds: float, per_s: float) -> Waits:
    loop, waits = asyncio.get_running_loop(), Waits()
    free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(await asyncio.open_connection(host, port))
    began = loop.time() + 0.1

    async def ask(number: int, due: float) -> None:
        reader, writer = await free.get()
        writer.write(serving.request(key, number % serving.ASKED_ABOUT))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length[15:]))
        waits.answered.append(loop.time() - due)
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


def _main(host: str, port: str, key: str, seconds: str, per_s: str) -> None:
    _be_served_first()
    gc.collect()
    gc.freeze()
    waits = uvloop.run(_ask_all(host, int(port), key, float(seconds), float(per_s)))
    json.dump({"answered": waits.answered, "own": waits.own}, sys.stdout)


if __name__ == "__main__":
    _main(*sys.argv[1:])
