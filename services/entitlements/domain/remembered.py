"""What an aggregate remembers for a window of time: in chunks, in the order of time, so that no single step is about all of it.

A key leads to its chunk, a chunk has a few hundred rows, column by column. Rows are added to the last chunk, which is closed when it
is full, and forgotten from the first. A closed chunk is small, few in number and hardly ever changed: a snapshot writes it once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Generic, Self, TypeVar

from entitlements.domain.remembered_chunks import AnswerChunk, Chunk, RememberedAnswer, Row

#: Rows of a full chunk. A row is found by its key in about a microsecond, and the whole is written in less than a millisecond.
CHUNK_ROWS: Final = 512
#: Rows that are forgotten at most when one is remembered: after a pause a whole day's would be too many at once.
FORGOTTEN_AT_ONCE: Final = 16
#: From so many chunks on keys are spread over several dicts: one of a million keys grows in a tenth of a second.
SPREAD_FROM_CHUNKS: Final = 128
#: When the oldest of nothing was remembered: later than any log timestamp.
_NO_TIME_MS: Final = 2**62
#: A prime: what is left of a hash then has nothing to do with where it stands in its dict.
_SPREAD_OVER: Final = 251

V = TypeVar("V")
C = TypeVar("C", bound=Chunk[Any])
#: Of who remembers nothing yet, which are most: nobody adds to them.
_NO_KEYS: Final[dict[str, Any]] = {}
_NO_CHUNKS: Final[list[Any]] = []


class Remembered(Generic[C, V]):
    """Values under their keys, in the order of time. Nothing is there twice: what is remembered anew is the newest then."""

    __slots__ = ("_all", "_chunks", "_closed_rows", "_forgotten", "_open", "_spread", "oldest_ms")

    chunk: type[C]

    def __init__(self) -> None:
        #: Keys to their chunks. Above SPREAD_FROM_CHUNKS there are several such dicts, and none of all.
        self._all: dict[str, C] | None = _NO_KEYS
        self._spread: tuple[dict[str, C], ...] = ()
        self._chunks: list[C] = _NO_CHUNKS
        self._open: C | None = None
        #: Rows of the first chunk that are forgotten already.
        self._forgotten = 0
        self._closed_rows = 0
        #: When the oldest row was remembered, in epoch milliseconds.
        self.oldest_ms = _NO_TIME_MS

    # --- What is there -----------------------------------------------------------------------------------------------

    def _dict_of(self, key: str) -> dict[str, C]:
        return self._spread[hash(key) % _SPREAD_OVER] if self._all is None else self._all

    def __contains__(self, key: str) -> bool:
        found = self._all
        return key in found if found is not None else key in self._spread[hash(key) % _SPREAD_OVER]

    def get(self, key: str) -> V | None:
        """What is remembered under a key."""
        found = self._all
        if found is None:
            found = self._spread[hash(key) % _SPREAD_OVER]
        chunk = found.get(key)
        if chunk is None:
            return None
        return chunk.value(chunk.row_of(key, self._forgotten if chunk is self._chunks[0] else 0))  # type: ignore[no-any-return]

    def __getitem__(self, key: str) -> V:
        chunk = self._dict_of(key)[key]
        return chunk.value(self._row(chunk, key))  # type: ignore[no-any-return]

    def _row(self, chunk: C, key: str) -> int:
        return chunk.row_of(key, self._forgotten if chunk is self._chunks[0] else 0)

    def items(self) -> Iterator[tuple[str, V]]:
        """Everything, the oldest first."""
        start = self._forgotten
        for chunk in self._chunks:
            for row in range(start, len(chunk)):
                key = chunk.key(row)
                if self._dict_of(key).get(key) is chunk:  # Else it was remembered anew later.
                    yield key, chunk.value(row)
            start = 0

    def __iter__(self) -> Iterator[str]:
        return (key for key, _ in self.items())

    def __len__(self) -> int:
        return sum(map(len, self._spread)) if self._all is None else len(self._all)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Remembered) and list(self.items()) == list(other.items())

    __hash__ = None  # type: ignore[assignment]

    # --- What changes ------------------------------------------------------------------------------------------------

    def add(self, key: str, row: Row) -> None:
        """Add a row."""
        chunk = self._open
        if chunk is None or len(chunk.rows) >= CHUNK_ROWS:  # type: ignore[arg-type]
            chunk = self._next_chunk(row[1])
        found = self._all
        if found is None:
            found = self._spread[hash(key) % _SPREAD_OVER]
        if key in found and found[key] is chunk:
            at = self._row(chunk, key)
            chunk.drop(slice(at, at + 1))
            chunk.rows.append(row)  # type: ignore[union-attr]
            self._look_at_oldest()
            return
        found[key] = chunk
        chunk.rows.append(row)  # type: ignore[union-attr]

    def _next_chunk(self, at_ms: int) -> C:
        if self._open is None:
            self._all, self._spread, self._chunks, self.oldest_ms = {}, (), [], at_ms
        else:
            self._open.close()
            self._closed_rows += len(self._open)
        self._open = self.chunk()
        self._chunks.append(self._open)
        if self._all is not None and len(self._chunks) >= SPREAD_FROM_CHUNKS:
            self._spread_keys()
        return self._open

    def _spread_keys(self) -> None:
        assert self._all is not None
        self._spread = tuple({} for _ in range(_SPREAD_OVER))
        for key, chunk in self._all.items():
            self._spread[hash(key) % _SPREAD_OVER][key] = chunk
        self._all = None

    def forget(self, until_ms: int, keep: int = 0) -> None:
        """Forget what was remembered until an instant, and is not among the newest to keep; the oldest first, a few at a time."""
        for _ in range(FORGOTTEN_AT_ONCE):
            if self.oldest_ms > until_ms or (keep and self.rows <= keep):
                return
            first = self._chunks[0]
            key = first.key(self._forgotten)
            found = self._dict_of(key)
            if found.get(key) is first:
                del found[key]
            self._forgotten += 1
            self._trim(first)
            self._look_at_oldest()

    def _look_at_oldest(self) -> None:
        self.oldest_ms = self._chunks[0].time(self._forgotten) if self._chunks else _NO_TIME_MS

    @property
    def rows(self) -> int:
        """How many there are, at no cost; what was remembered anew and is not forgotten yet counts twice."""
        return self._closed_rows - self._forgotten + (0 if self._open is None else len(self._open))

    def _trim(self, first: C) -> None:
        """Let go of the first chunk when all of it is forgotten; of the open one already when that is half of it."""
        if self._forgotten == len(first):
            del self._chunks[0]
            if first is self._open:
                self._open = None
            else:
                self._closed_rows -= len(first)
            self._forgotten = 0
        elif first is self._open and self._forgotten * 2 >= len(first):
            first.drop(slice(self._forgotten))
            self._forgotten = 0

    # --- For snapshots -----------------------------------------------------------------------------------------------

    @property
    def closed(self) -> list[C]:
        """The chunks to which nothing is added any more, the oldest first."""
        return list(self._chunks[:-1])

    @property
    def open(self) -> C | None:
        """The chunk to which rows are added; None: nothing is remembered."""
        return self._open

    @property
    def forgotten(self) -> int:
        """How many rows of the first chunk are forgotten."""
        return self._forgotten

    @classmethod
    def restored(cls, chunks: list[C], forgotten: int) -> Self:
        """As it was with these chunks, the last of which is open."""
        self = cls()
        if not chunks:
            return self
        self._chunks, self._open, self._forgotten, self._all = chunks, chunks[-1], forgotten, {}
        self._closed_rows = sum(map(len, chunks[:-1]))
        self._look_at_oldest()
        if len(chunks) >= SPREAD_FROM_CHUNKS:
            self._spread_keys()
        for chunk in chunks:
            for row in range(forgotten, len(chunk)):
                key = chunk.key(row)
                self._dict_of(key)[key] = chunk
            forgotten = 0
        return self


class RememberedAnswers(Remembered[AnswerChunk, RememberedAnswer]):
    """Accepted commands under their idempotency keys."""

    __slots__ = ()

    chunk = AnswerChunk

    def remember(self, key: str, body_digest: str, at_ms: int) -> None:
        """Remember an accepted command."""
        self.add(key, (key, at_ms, body_digest))
