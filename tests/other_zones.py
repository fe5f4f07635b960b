"""A machine whose zone files say something else: what counts by the pinned time-zone data doesn't notice."""

import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

#: Zones whose files there are those of Tokyo: nine hours ahead of UTC, without daylight saving.
DOCTORED = ("Europe/Berlin", "Africa/Casablanca", "UTC")
#: What the program is run with first: it proves that the files are the doctored ones, and keeps the search path to compare it later.
_FIRST = """
import zoneinfo
from datetime import datetime, timedelta
paths = zoneinfo.TZPATH
assert zoneinfo.ZoneInfo("Europe/Berlin").utcoffset(datetime(2026, 6, 1)) == timedelta(hours=9), "these are the usual files"
"""
_LAST = """
assert zoneinfo.TZPATH == paths, "the search path of the whole process was changed"
assert zoneinfo.ZoneInfo("Europe/Berlin").utcoffset(datetime(2026, 6, 1)) == timedelta(hours=9)
"""


def said_on_such_a_machine(folder: Path, program: str) -> list[str]:
    """The words that a program prints there. Raises CalledProcessError where it fails, or changes the time zones of its process."""
    tokyo = files("tzdata").joinpath("zoneinfo", "Asia", "Tokyo").read_bytes()
    for name in DOCTORED:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(tokyo)
    environment = os.environ | {"PYTHONTZPATH": str(folder)}
    command = [sys.executable, "-c", _FIRST + program + _LAST]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.split()
