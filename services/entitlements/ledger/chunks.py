"""Chunks of what an aggregate remembers (domain/remembered.py) as compressed JSON and back, for snapshots.

The name of a chunk is made of its bytes. So a chunk is written once, however often the rest of its aggregate changes, a state that
names its chunks is whole or known not to be, and whoever writes the same chunk twice changes nothing.
"""

from __future__ import annotations

import hashlib
import zlib
from array import array
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final, TypeVar

import msgspec
from typing_extensions import TypedDict

from entitlements.domain.aggregate import AggregateType
from entitlements.domain.remembered import Remembered
from entitlements.domain.remembered_chunks import AnswerChunk, Chunk
from entitlements.domain.remembered_lines import LineChunk, LineKind, kind_of

#: Bytes of a name.
NAME_BYTES: Final = 16
#: Between the key of a snapshot and the name of a chunk. No id has it.
_SEPARATOR: Final = "\0"


class AnswerColumns(TypedDict):
    """The columns of a chunk of answers."""

    keys: list[str]
    at_ms: list[int]
    digests: list[str]


class LineColumns(TypedDict):
    """The columns of a chunk of lines; of each line its kind is the place among all kinds."""

    keys: list[str]
    at_ms: list[int]
    occurred_at: list[int]
    quantities: list[int]
    turns: list[int]
    kinds: list[int]
    all_kinds: list[LineKind]


class RememberedAnswersState(TypedDict):
    """Without the closed chunks."""

    closed: int
    forgotten: int
    open: AnswerColumns | None


class RememberedLinesState(TypedDict):
    """Without the closed chunks."""

    closed: int
    forgotten: int
    open: LineColumns | None


class StateDoesNotFit(Exception):
    """The snapshot has an unknown state format."""


#: What a chunk holds at one moment, cheap to take.
Columns = tuple[Any, ...]
C = TypeVar("C", bound=Chunk[Any])
R = TypeVar("R", bound=Remembered[Any, Any])
_DECODERS: Final[dict[type[Chunk[Any]], msgspec.json.Decoder[Any]]] = {
    AnswerChunk: msgspec.json.Decoder(AnswerColumns),
    LineChunk: msgspec.json.Decoder(LineColumns),
}


def dump_chunk(kind: type[Chunk[Any]], columns: Columns) -> bytes:
    """A chunk that is closed, as bytes."""
    return zlib.compress(msgspec.json.encode(_plain(kind, columns)), 1)


def load_chunk(kind: type[C], value: bytes) -> C:
    """The chunk of such bytes. Raises StateDoesNotFit."""
    try:
        chunk = _closed(kind, _DECODERS[kind].decode(zlib.decompress(value)))
    except (msgspec.MsgspecError, OverflowError, zlib.error) as error:
        raise StateDoesNotFit(str(error)) from error
    chunk.stored_as = name_of(value)
    return chunk


def name_of(value: bytes) -> bytes:
    """The name of a chunk of these bytes."""
    return hashlib.sha256(value).digest()[:NAME_BYTES]


def names_in(snapshot: dict[str, Any]) -> list[bytes]:
    """The names of the chunks in the record of a snapshot."""
    names: bytes = snapshot["chunks"] or b""
    return [names[at : at + NAME_BYTES] for at in range(0, len(names), NAME_BYTES)]


def snapshot_key(kind: AggregateType, aggregate_id: str) -> str:
    """The key of an aggregate's snapshot."""
    return f"{kind}/{aggregate_id}"


def chunk_key(key: str, name: bytes) -> str:
    """The key of a chunk of the aggregate with this key."""
    return f"{key}{_SEPARATOR}{name.hex()}"


def named_by(key: str) -> tuple[str, bytes] | None:
    """The key of the snapshot and the name of the chunk, if a key is that of a chunk; the name is empty if it is no name."""
    of, separator, name = key.partition(_SEPARATOR)
    try:
        return (of, bytes.fromhex(name)) if separator else None
    except ValueError:
        return of, b""


def dump_remembered(remembered: Remembered[Any, Any]) -> dict[str, Any]:
    """What is remembered, without the closed chunks."""
    chunk = remembered.open
    columns = None if chunk is None else _plain(type(chunk), chunk.as_columns())
    return {"closed": len(remembered.closed), "forgotten": remembered.forgotten, "open": columns}


def load_remembered(cls: type[R], state: dict[str, Any], closed: Iterator[bytes]) -> R:
    """What is remembered; its closed chunks are the next of these. Raises StateDoesNotFit."""
    chunks = [load_chunk(cls.chunk, value) for value in islice(closed, state["closed"])]
    if len(chunks) != state["closed"]:
        raise StateDoesNotFit(f"only {len(chunks)} of {state['closed']} chunks were given")
    if state["open"] is not None:
        chunks.append(_open(cls.chunk, state["open"]))
    if (state["open"] is None and chunks) or (chunks and not 0 <= state["forgotten"] < len(chunks[0])):
        raise StateDoesNotFit("the chunks of what is remembered do not belong together")
    return cls.restored(chunks, state["forgotten"])


def _plain(kind: type[Chunk[Any]], columns: Columns) -> dict[str, Any]:
    plain = {
        name: column.tolist() if isinstance(column, array) else column
        for name, column in zip(kind.columns, columns, strict=True)
    }
    if kind is LineChunk:
        places: dict[LineKind, int] = {}
        plain["kinds"] = [places.setdefault(each, len(places)) for each in plain["kinds"]]
        plain["all_kinds"] = list(places)
    return plain


def _columns(kind: type[Chunk[Any]], plain: dict[str, Any]) -> Columns:
    if kind is LineChunk:
        kinds = [kind_of(*each) for each in plain["all_kinds"]]
        if not all(0 <= at < len(kinds) for at in plain["kinds"]):
            raise StateDoesNotFit("a line is of no kind")
        plain = plain | {"kinds": [kinds[at] for at in plain["kinds"]]}
    columns = tuple(plain[name] for name in kind.columns)
    if len({len(column) for column in columns}) > 1 or not columns[0]:
        raise StateDoesNotFit("the columns of a chunk are empty or differ in length")
    return columns


def _open(kind: type[C], plain: dict[str, Any]) -> C:
    chunk = kind()
    chunk.rows = kind.rows_of(*_columns(kind, plain))
    return chunk


def _closed(kind: type[C], plain: dict[str, Any]) -> C:
    chunk = kind()
    chunk.rows = None
    for name, column in zip(kind.columns, _columns(kind, plain), strict=True):
        setattr(chunk, name, array("q", column) if isinstance(column[0], int) else column)
    return chunk
