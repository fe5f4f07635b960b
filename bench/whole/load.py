"""Load over HTTP by wrk, a C program of Debian's packages: connections that each ask again as soon as they are answered."""

from __future__ import annotations

import json
import os
import random
import subprocess
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

from entitlements.local.packages import unpacked

#: wrk, and the library of it that not every machine has.
PACKAGES: Final = ("wrk", "libluajit-5.1-2")
SCRIPT: Final = Path(__file__).with_name("requests.lua")
#: Requests after which the order begins again.
ORDER: Final = 100_000
#: Seconds beyond its duration in which it must have ended.
_LATE_FOR_MAX: Final = 30.0


class Result(NamedTuple):
    """What came of one run."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_s(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def at_random(customers: int) -> list[int]:
    """The places of customers, each as likely as any other."""
    chance = random.Random(1)
    return [chance.randrange(customers) for _ in range(ORDER)]


def by_zipf(customers: int) -> list[int]:
    """The same with few that ask for most (Zipf, s = 1): of 10,000 the first makes a tenth of all requests."""
    chance, steps = random.Random(1), list(accumulate(1 / rank for rank in range(1, customers + 1)))
    return [bisect_left(steps, chance.random() * steps[-1]) for _ in range(ORDER)]


def write_requests(file: Path, path: str, key: str, bodies: Sequence[bytes], order: Sequence[int]) -> Path:
    """The file that requests.lua reads."""
    places = "\n".join(str(place + 1) for place in order)
    file.write_bytes(b"\n".join([path.encode(), key.encode(), *bodies, b"", places.encode(), b""]))
    return file


def offer(port: int, requests: Path, connections: int, seconds: float, begin: int = 0) -> Result:
    """Ask for so many seconds. begin: the place in the order. Raises AssertionError: a request was refused or unanswered."""
    root = unpacked(*PACKAGES)
    libraries = {str(path.parent) for path in root.rglob("*.so*")}
    url, script = f"http://127.0.0.1:{port}", ["-s", str(SCRIPT)]
    done = subprocess.run(
        [str(root / "usr/bin/wrk"), "-t", "1", "-c", str(connections), "-d", f"{round(seconds)}s", "--timeout", "20s", *script, url, "--",
         str(requests), str(begin % ORDER)],
        env=os.environ | {"LD_LIBRARY_PATH": ":".join(sorted(libraries))},
        capture_output=True, text=True, check=True, timeout=seconds + _LATE_FOR_MAX,
    )  # fmt: skip
    said = json.loads(done.stdout.splitlines()[-1])
    assert not said["refused"] and not said["broken"], f"{url} answered badly: {said}"  # noqa: PT018
    return Result(said["requests"], said["duration_us"] / 1e6, said["p50_us"] / 1e3, said["p99_us"] / 1e3)
