"""The buckets of all workers of one process, in memory that they share: whichever worker a key asks, it has its rate once.

A table: who has a row (a hash of the key, 0: nobody), and for each worker a column with the instant as this worker left it. A worker reads
all columns, of which the latest instant counts, and writes its own: nobody locks, and whoever is stopped between the two sets nobody back.
Requests that several workers take for one key within the same microsecond count as one, so a key gets a little more than its rate: within a
tenth (a test holds it). The clock is that of the machine, the same in all processes. Whoever loses a row to another begins anew.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from hashlib import blake2b
from pathlib import Path
from typing import Final

from entitlements.api.auth.rates import KEYS_MAX, Key

#: Rows, and how many of them a key may have.
ROWS: Final = 65_536
_PLACES: Final = 8
_COLUMN_BYTES: Final = 8 * ROWS
#: By which a worker is told where the memory is.
VARIABLE: Final = "ENTITLEMENTS_RATES_MEMORY"


def shared_memory(workers: int) -> str:
    """Memory that lives as long as this process, and where its workers find it. Raises OSError, AttributeError: the system has none.

    A worker that begins while another ends needs a column beside its.
    """
    memory = os.memfd_create("rates")
    os.ftruncate(memory, _COLUMN_BYTES * (1 + 2 * workers))
    return f"/proc/{os.getpid()}/fd/{memory}"


class SharedBuckets:
    """Rates' buckets in the memory at a path. Raises OSError: there is none, or no column is free."""

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("r+b")  # noqa: SIM115 - as long as it is open, the column is ours.
        size = os.fstat(self._file.fileno()).st_size
        whole = memoryview(mmap.mmap(self._file.fileno(), size))
        # Each value is one store: it is never half of one and half of another.
        self._owners = whole[:_COLUMN_BYTES].cast("Q")
        starts = range(_COLUMN_BYTES, size, _COLUMN_BYTES)
        self._columns = [whole[start : start + _COLUMN_BYTES].cast("d") for start in starts]
        self._own = self._columns[self._claimed(len(self._columns))]
        self._rows: dict[Key, tuple[int, int]] = {}

    def _claimed(self, columns: int) -> int:
        """The column of this worker: until it ends, however it ends."""
        for number in range(columns):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except OSError:
                continue  # Another worker has it.
            return number
        raise OSError("each column is another worker's")

    def paid_at(self, key: Key) -> float:
        """As rates.Buckets says."""
        row, owner = self._rows.get(key) or self._found(key)
        return max([column[row] for column in self._columns]) if self._owners[row] == owner else -1.0

    def pay(self, key: Key, paid_at: float, now: float) -> None:  # noqa: ARG002 - rows are never too many.
        """As rates.Buckets says."""
        row, owner = self._rows.get(key) or self._found(key)
        if self._owners[row] != owner:
            row, owner = self._found(key)
            self._owners[row] = owner
            for column in self._columns:
                column[row] = 0.0
        self._own[row] = paid_at

    def _found(self, key: Key) -> tuple[int, int]:
        """The row of a key, or the one that it is to have: one that is free, else that of whoever has paid first."""
        owner = int.from_bytes(blake2b("\0".join(key).encode(), digest_size=8).digest()) or 1
        places = [(owner + place) % ROWS for place in range(_PLACES)]
        row = next((each for each in places if self._owners[each] == owner), None)
        if row is None:
            row = min(places, key=self._free_since)
        if len(self._rows) >= KEYS_MAX:
            self._rows = {}
        self._rows[key] = row, owner
        return row, owner

    def _free_since(self, row: int) -> float:
        return max(column[row] for column in self._columns) if self._owners[row] else -1.0
