"""Which frames count (docs/architecture.md 3.4). One class for everybody who reads the ledger, in constant memory.

A frame is valid when it hangs on the last valid frame: it names its offset and hash and starts at the command after its
last. First in the log wins. A frame that competes with a valid one starts a rival's branch; what hangs on that branch is
dropped with it. Bytes that do not match their hash are corruption, a frame that hangs on nothing seen is a gap: both stop
the reader. A reader that goes on from a position is shown first the frame it stands at: a position that does not come
from this ledger is a gap too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import Enum
from typing import Final

from entitlements.errors import LedgerHasAGap, LedgerIsCorrupt
from entitlements.ledger.frames import FrameHead, is_frame, read_head

#: Header that carries the SHA-256 of the frame's value.
HASH_HEADER: Final = "frame_sha256"
#: What the first frame names as the hash before it.
NO_HASH: Final = bytes(32)
#: Branches of rivals that are remembered; each rival writes one.
TIPS_MAX: Final = 64


@dataclass(frozen=True, slots=True)
class ChainPosition:
    """Where a reader stands: all it needs to go on. Offset -1: before the first frame.

    The tips are those at that frame: rivals after it are read again by whoever goes on from here, and judged the same.
    """

    offset: int = -1
    last_command: int = -1
    hash: bytes = NO_HASH
    tips: tuple[tuple[int, bytes], ...] = ()

    def to_json(self) -> str:
        """For storing; short, and the same text for the same position."""
        tips = [[offset, digest.hex()] for offset, digest in self.tips]
        return json.dumps([self.offset, self.last_command, self.hash.hex(), tips], separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> ChainPosition:
        """A stored position. Raises ValueError when the text is none."""
        try:
            offset, last_command, digest, tips = json.loads(text)
            rivals = tuple((int(at), bytes.fromhex(tip)) for at, tip in tips)
            return cls(int(offset), int(last_command), bytes.fromhex(digest), rivals)
        except TypeError as error:  # JSON, but of another shape.
            raise ValueError(f"{text[:80]!r} is not a position") from error


class Verdict(Enum):
    """What a record of the ledger is."""

    VALID = "valid"
    KNOWN = "known"
    RIVAL = "rival"
    FOREIGN = "foreign"


class ChainReader:
    """Reads one partition of the ledger; `position` is where it stands, and `starts_at` the first offset to show it."""

    def __init__(self, partition: int, position: ChainPosition) -> None:
        self.partition = partition
        self.position = position
        self.head: FrameHead | None = None
        self.starts_at = max(0, position.offset)
        self._is_proven = position.offset < 0
        self._tips = position.tips

    def read(self, offset: int, value: bytes | None, stated_hash: bytes | None) -> Verdict:
        """Judge the next record. Raises LedgerIsCorrupt or LedgerHasAGap, which name the frame."""
        if not self._is_proven and offset > self.position.offset:
            raise LedgerHasAGap(f"{self._name(self.position.offset)} is missing")
        if stated_hash is None:
            if value is not None and is_frame(value):
                raise LedgerIsCorrupt(f"{self._name(offset)} has no hash")
            return Verdict.FOREIGN
        digest = hashlib.sha256(value or b"").digest()
        if value is None or digest != stated_hash:
            raise LedgerIsCorrupt(
                f"{self._name(offset)} has hash {stated_hash.hex()[:16]}, its bytes have {digest.hex()[:16]}"
            )
        head = read_head(value)
        if head is None:
            raise LedgerIsCorrupt(f"{self._name(offset)} has a hash but is not a frame")
        if not self._is_proven:
            self._prove(offset, head, digest)
            return Verdict.KNOWN
        if not self._continues(offset, head):
            self._follow_rival(offset, head, digest)
            return Verdict.RIVAL
        self.head = head
        self.position = ChainPosition(offset, head.last_command, digest, self._tips)
        return Verdict.VALID

    def _prove(self, offset: int, head: FrameHead, digest: bytes) -> None:
        at = self.position
        if (offset, head.last_command, digest, head.partition) != (at.offset, at.last_command, at.hash, self.partition):
            raise LedgerHasAGap(
                f"{self._name(offset)} is {head.last_command}:{digest.hex()[:16]},"
                f" the reader is at {at.last_command}:{at.hash.hex()[:16]}"
            )
        self._is_proven = True

    def _continues(self, offset: int, head: FrameHead) -> bool:
        at = self.position
        if (head.previous_offset, head.previous_hash) != (at.offset, at.hash) or head.partition != self.partition:
            return False
        if at.offset >= 0 and head.first_command != at.last_command + 1:
            raise LedgerHasAGap(
                f"{self._name(offset)} starts at command {head.first_command}, not at {at.last_command + 1}"
            )
        return True

    def _follow_rival(self, offset: int, head: FrameHead, digest: bytes) -> None:
        at = self.position
        link = (head.previous_offset, head.previous_hash)
        others = tuple(tip for tip in self._tips if tip != link)
        hangs_on_rival = len(others) < len(self._tips)
        competes = head.previous_offset < at.offset and head.first_command <= at.last_command
        if head.partition != self.partition or not (hangs_on_rival or competes):
            raise LedgerHasAGap(f"{self._name(offset)} follows {link[0]}:{link[1].hex()[:16]}, which was not read")
        self._tips = (*others, (offset, digest))[-TIPS_MAX:]

    def _name(self, offset: int) -> str:
        return f"Frame {offset} of partition {self.partition}"
