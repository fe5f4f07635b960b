"""A client that draws on a lease, as a process of its own. Imports the client alone: twenty of them start at once."""

from __future__ import annotations

import ctypes
import os
import random
import signal
import threading
import time
from typing import Any

from entitlements_client import Entitlements, FailClosed, LeaseTerms, Remote, Service
from entitlements_client.leasing import leases


def draw_until_told(number: int, address: Service, terms: dict[str, Any], out: str) -> None:
    """A client: takes units one by one, and writes a byte for each that it was given. Stops at SIGTERM, and gives back."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: never outlive the tests.
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    dice = random.Random(number)
    rate, began = dice.uniform(0.95, 1.05), leases.seconds_since_boot()
    wall, jump = time.time, dice.uniform(-1e6, 1e6)
    time.time = lambda: wall() + jump  # type: ignore[method-assign]
    entitlements = Entitlements(address, Remote(), leases=LeaseTerms(**terms), otherwise=FailClosed())
    # Before the first lease: a clock that goes wrong from the beginning.
    offset = dice.uniform(0, 1e6)
    entitlements._leases.clock = lambda: offset + (leases.seconds_since_boot() - began) * rate
    lease = entitlements.lease("ws", "api_calls")
    file = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    while not stopping.is_set():
        if lease.take(wait_for=0.5).allowed:
            os.write(file, b".")
        stopping.wait(dice.expovariate(20.0))
    entitlements.close()
