"""What was drawn, in a file that survives the process: whoever comes next settles what a killed one had handed out.

A journal is a file of slots, one per holding, mapped into memory: noting a draw is one store of eight bytes, which the operating
system keeps when the process is killed. Its owner holds a lock on the file, so a journal without a lock has lost its owner.
"""

from __future__ import annotations

import fcntl
import json
import logging
import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from entitlements_client.deciding.unique import new_id
from entitlements_client.leasing.terms import NEVER, Holding

#: Enough for the longest ids there are: five of 128 characters, each of six bytes where JSON has to escape it.
SLOT_BYTES: Final = 4096
SLOTS_MAX: Final = 4096
SUFFIX: Final = ".lease-journal"
#: drawn, committed, committing, sequence, final, length of what follows: the holding as JSON, zero: the slot is free.
_HEAD: Final = struct.Struct("<QQQQBxH")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unsettled:
    """A holding of somebody who is gone."""

    holding: Holding
    customer_id: str
    resource_key: str
    organization: str


class Journal:
    """The journal of one process, in a folder that it shares with others. Locked by leases.py."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{os.getpid()}-{new_id()[:12]}{SUFFIX}"
        # Locked before it can be seen by its name: nobody takes it for one that has lost its owner.
        beginning = path.with_suffix(".new")
        try:
            self._open(beginning, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        except OSError:
            beginning.unlink(missing_ok=True)
            raise
        fcntl.flock(self._file, fcntl.LOCK_EX)
        beginning.rename(path)
        self.path = path
        self._free = list(range(SLOTS_MAX - 1, -1, -1))
        self._slots: dict[Holding, int] = {}

    def _open(self, path: Path, flags: int) -> None:
        self._file = os.open(path, flags, 0o600)
        try:
            _allocate(self._file, SLOT_BYTES * SLOTS_MAX)
            self._bytes = mmap.mmap(self._file, SLOT_BYTES * SLOTS_MAX)
        except OSError:
            os.close(self._file)
            raise

    @property
    def is_full(self) -> bool:
        """Whether no holding more can be noted."""
        return not self._free

    def begin(self, holding: Holding, customer_id: str, resource_key: str, organization: str = "") -> None:
        """Note a holding from now on."""
        about = {
            "reservation_id": holding.reservation_id,
            "pool_id": holding.pool_id,
            "quantity": holding.quantity,
            "customer_id": customer_id,
            "resource_key": resource_key,
            "organization": organization,
        }
        text = json.dumps(about, ensure_ascii=False).encode()
        slot = self._free.pop()
        place = slot * SLOT_BYTES
        self._slots[holding] = slot
        self._bytes[place + _HEAD.size : place + _HEAD.size + len(text)] = text
        _HEAD.pack_into(self._bytes, place, 0, 0, 0, 0, 0, len(text))
        holding.note = self._note

    def _note(self, holding: Holding) -> None:
        place = self._slots[holding] * SLOT_BYTES
        length = _HEAD.unpack_from(self._bytes, place)[5]
        _HEAD.pack_into(
            self._bytes, place,
            holding.drawn, holding.committed, holding.committing, holding.sequence, holding.final, length,
        )  # fmt: skip

    def end(self, holding: Holding) -> None:
        """Nothing is left to be done about a holding."""
        slot = self._slots.pop(holding, None)
        if slot is not None:
            self._bytes[slot * SLOT_BYTES : slot * SLOT_BYTES + _HEAD.size] = bytes(_HEAD.size)
            self._free.append(slot)

    def close(self) -> None:
        """Let go of the file; it is removed if nothing in it is left to be done."""
        if not self._slots:
            self.path.unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        """Close the file without a word: what a forked child does, since the journal is its parent's."""
        self._bytes.close()
        os.close(self._file)


def _allocate(file: int, size: int) -> None:
    """Give a file its size, on the disk too: where that is full, a store into what is only mapped would kill the process (SIGBUS)."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:
        os.ftruncate(file, size)


class Orphan(Journal):
    """A journal that has lost its owner, taken over."""

    def __init__(self, path: Path) -> None:
        self._open(path, os.O_RDWR)
        self.path, self._free, self._slots = path, [], {}
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not path.exists():
                raise BlockingIOError(path)
        except OSError:
            self.leave()
            raise

    def holdings(self) -> list[Unsettled]:
        """What is in it. Nothing more can be drawn from these."""
        return list(self._read())

    def _read(self) -> Iterator[Unsettled]:
        for slot in range(SLOTS_MAX):
            place = slot * SLOT_BYTES
            drawn, committed, committing, sequence, final, length = _HEAD.unpack_from(self._bytes, place)
            if not length:
                continue
            start = place + _HEAD.size
            try:
                about: dict[str, Any] = json.loads(self._bytes[start : start + length])
                holding = Holding(
                    about["reservation_id"], about["pool_id"], about["quantity"], usable_until=-NEVER, renewed_at=-NEVER,
                    drawn=drawn, committed=committed, committing=committing, sequence=sequence, final=bool(final),
                    unsettled_since=-NEVER, note=self._note,
                )  # fmt: skip
                left = Unsettled(holding, about["customer_id"], about["resource_key"], about["organization"])
            except (ValueError, KeyError, TypeError):
                _log.exception("unreadable journal entry: %s, slot %s, %s used", self.path, place, drawn)
                continue
            self._slots[holding] = slot
            yield left

    @classmethod
    def all_in(cls, folder: Path) -> Iterator[Self]:
        """The journals in a folder that have lost their owners, each locked by us from now on."""
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            try:
                yield cls(path)
            except OSError:
                continue
