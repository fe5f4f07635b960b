"""Whose processor time a request takes: what the kernel says of each process and its children, before and after."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
#: Places after the name in /proc/PID/stat: the parent, and time of user and system, the process's own and of children that ended.
_PARENT: Final = 1
_TIMES: Final = slice(11, 15)

#: Seconds for what follows from a run: an installation that does less than this of a core has nothing left to do.
SETTLED_WITHIN_FOR: Final = 90.0
_LOOK_EVERY_FOR: Final = 0.5
_IDLE_CORES: Final = 0.35


def settle(pids: Callable[[], Mapping[str, int]]) -> None:
    """Wait until nothing is left to do: read models, publisher and changes have all that was decided."""
    until = time.monotonic() + SETTLED_WITHIN_FOR
    while time.monotonic() < until:
        before = sum(seconds_of(pids()).values())
        time.sleep(_LOOK_EVERY_FOR)
        if sum(seconds_of(pids()).values()) - before < _IDLE_CORES * _LOOK_EVERY_FOR:
            return


def seconds_of(processes: Mapping[str, int]) -> dict[str, float]:
    """Processor time so far of processes and all that descend from them, by their names."""
    children, spent = defaultdict[int, list[int]](list), dict[int, int]()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(") ")[2].split()
        except (FileNotFoundError, ProcessLookupError):  # It has just ended.
            continue
        pid = int(stat.parent.name)
        children[int(fields[_PARENT])].append(pid)
        spent[pid] = sum(map(int, fields[_TIMES]))

    def of(pid: int) -> int:
        return spent.get(pid, 0) + sum(map(of, children[pid]))

    return {name: of(pid) / _TICKS_PER_S for name, pid in processes.items()}
