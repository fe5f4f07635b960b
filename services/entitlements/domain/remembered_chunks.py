"""Chunks: a few hundred rows of what an aggregate remembers, in the order in which they were remembered (remembered.py)."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

V = TypeVar("V")


@dataclass(slots=True, frozen=True)
class RememberedAnswer:
    """An accepted command under an idempotency key."""

    body_digest: str
    at_ms: int


#: A row of an open chunk: key, instant in epoch milliseconds, and whatever belongs to the value.
Row = tuple[Any, ...]


class Chunk(Generic[V]):
    """Rows in the order in which they were remembered; of those that are not forgotten, none has the key of another.

    An open chunk is a list of rows. A closed one is a column for each field, which takes a third of the memory. Columns are replaced,
    never changed: who holds them may go on writing them down.
    """

    __slots__ = ("_marks", "at_ms", "keys", "rows", "stored_as")

    #: The columns in the order in which they are written down.
    columns: ClassVar[tuple[str, ...]]

    keys: list[str]
    at_ms: array[int]

    def __init__(self) -> None:
        #: None: it is closed.
        self.rows: list[Row] | None = []
        #: Under which name a snapshot has the chunk as it is now; None: none has. No part of the state.
        self.stored_as: bytes | None = None
        #: A byte of the hash of each key, as far as somebody has looked for one: to find a row without comparing all keys.
        self._marks = bytearray()

    def __len__(self) -> int:
        return len(self.keys if self.rows is None else self.rows)

    def key(self, row: int) -> str:
        """The key of a row."""
        return self.keys[row] if self.rows is None else self.rows[row][0]

    def time(self, row: int) -> int:
        """When a row was remembered."""
        return self.at_ms[row] if self.rows is None else self.rows[row][1]

    def value(self, row: int) -> V:
        """What is remembered in a row."""
        raise NotImplementedError

    def row_of(self, key: str, start: int) -> int:
        """The row of a key, which is there at or after a start."""
        marks = self._marks
        if self.rows is None:
            if len(marks) < len(self.keys):
                marks.extend([hash(each) & 255 for each in self.keys[len(marks) :]])
        elif len(marks) < len(self.rows):
            marks.extend([hash(row[0]) & 255 for row in self.rows[len(marks) :]])
        mark = hash(key) & 255
        row = marks.index(mark, start)
        while self.key(row) != key:
            row = marks.index(mark, row + 1)
        return row

    def drop(self, rows: slice) -> None:
        """Leave rows out. Only of an open chunk."""
        assert self.rows is not None
        del self.rows[rows], self._marks[rows]

    def close(self) -> None:
        """No row is added any more."""
        for name, column in zip(self.columns, self.as_columns(), strict=True):
            setattr(self, name, column)
        self.rows = None

    def as_columns(self) -> tuple[Any, ...]:
        """What it holds now. Of a closed chunk it costs nothing, and stays as it is."""
        if self.rows is None:
            return tuple(getattr(self, name) for name in self.columns)
        return self.columns_of(self.rows) if self.rows else tuple([] for _ in self.columns)

    @staticmethod
    def columns_of(rows: list[Row]) -> tuple[Any, ...]:
        """The columns of some rows."""
        raise NotImplementedError

    @staticmethod
    def rows_of(*columns: Any) -> list[Row]:
        """The rows of such columns."""
        raise NotImplementedError


class AnswerChunk(Chunk[RememberedAnswer]):
    """Accepted commands under their idempotency keys."""

    __slots__ = ("digests",)

    columns = ("keys", "at_ms", "digests")

    digests: list[str]

    def value(self, row: int) -> RememberedAnswer:
        if self.rows is None:
            return RememberedAnswer(self.digests[row], self.at_ms[row])
        _, at_ms, digest = self.rows[row]
        return RememberedAnswer(digest, at_ms)

    @staticmethod
    def columns_of(rows: list[Row]) -> tuple[Any, ...]:
        keys, at_ms, digests = zip(*rows, strict=True)
        return list(keys), array("q", at_ms), list(digests)

    @staticmethod
    def rows_of(*columns: Any) -> list[Row]:
        return list(zip(*columns, strict=True))
