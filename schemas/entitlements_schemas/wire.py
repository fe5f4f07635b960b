"""Bytes on Kafka to records and back: a zero byte, the schema id in four bytes (big endian), the Avro body.

The framing is Confluent's, so any Avro consumer that can ask a registry reads our topics.

WireError
├── NotFramed         no magic byte, no id
├── UnknownSchemaId   framed, but by a schema that is not ours
├── Undecodable       the body is not a record of its schema, or more than one
└── NotEncodable      the record does not fit its schema: an error of ours, never of a message
"""

from __future__ import annotations

import re
import struct
from io import BytesIO
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import fastavro
from fastavro.const import AVRO_TYPES

from entitlements_schemas import catalogue, compiled, sources

if TYPE_CHECKING:
    from collections.abc import Mapping

MAGIC: Final = 0
#: Bytes before the body: the magic byte and the schema id.
PREFIX_BYTES: Final = 5

_PREFIX: Final = struct.Struct(">bI")


_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")


class WireError(Exception):
    """The message cannot be processed."""

    code: ClassVar[str] = "wire_error"


class NotFramed(WireError):
    """The value does not start with a zero byte and a schema id."""

    code = "not_framed"


class UnknownSchemaId(WireError):
    """Unknown schema id."""

    code = "unknown_schema_id"


class Undecodable(WireError):
    """The value is not exactly one record of its schema."""

    code = "undecodable"


class NotEncodable(WireError):
    """The record does not match its schema."""

    code = "not_encodable"


class Decoded(NamedTuple):
    """A record and the full name of its schema. In a union of several records it is again such a pair."""

    name: str
    record: dict[str, Any]


class _Writer(NamedTuple):
    prefix: bytes
    schema: Any
    plain: Any
    fast: compiled.Writer | None


class _Reader(NamedTuple):
    name: str
    written: Any  # The schema it was written with.
    wanted: Any  # The newest one; None: the same.
    named: bool  # True: it has a union of several records, whose names the reader needs.
    fast: compiled.Reader | None


class Wire:
    """Encodes and decodes records under the ids of one registry. Safe to share between threads.

    ids maps (full name, version) to a registry's id; without it the bundled ids are used. Bundled ids are understood
    in any case: the ledger is kept for ever, and an installation may get its registry later.
    patterns: records of unions that `decode_plain` gives as matches (compiled.reader_of).
    Raises catalogue.NotFrozen when an .avsc differs from its newest frozen version.
    """

    def __init__(
        self,
        ids: Mapping[tuple[str, int], int] | None = None,
        *,
        patterns: Mapping[str, re.Pattern[bytes]] | None = None,
    ) -> None:
        catalogue.require_frozen()
        self._patterns = patterns
        self._ids: dict[str, int] = {}
        self._entries: dict[bytes, catalogue.Entry] = {}
        for entry in catalogue.entries():
            self._entries[_PREFIX.pack(MAGIC, entry.id)] = entry
        for entry in catalogue.entries():
            used = entry.id if ids is None else ids[entry.name, entry.version]
            self._entries[_PREFIX.pack(MAGIC, used)] = entry
            self._ids[entry.name] = used  # Versions rise: the newest stays.
        # Filled at first use: nobody reads and writes all of them.
        self._writers: dict[str, _Writer] = {}
        self._readers: dict[bytes, _Reader] = {}
        self._plain_readers: dict[bytes, _Reader] = {}

    def id_of(self, full_name: str) -> int:
        """The id that records of this name are written under. Raises NotEncodable when it has none."""
        try:
            return self._ids[full_name]
        except KeyError:
            raise NotEncodable(f"{full_name} belongs to no topic.") from None

    def prefixes_of(self, full_name: str) -> list[bytes]:
        """What records of the newest version of a schema begin with, whichever of its ids they are written under."""
        newest = catalogue.newest(full_name)
        return [prefix for prefix, entry in self._entries.items() if entry == newest]

    def name_of(self, schema_id: int) -> str:
        """The record's full name. Raises UnknownSchemaId."""
        try:
            return self._entries[_PREFIX.pack(MAGIC, schema_id)].name
        except (KeyError, struct.error):
            raise UnknownSchemaId(f"Schema id {schema_id}.") from None

    def encode(self, full_name: str, record: Mapping[str, Any]) -> bytes:
        """The framed record. Instants are aware datetimes; in a union of records give (full name, record).

        Raises NotEncodable when a field is missing, unknown or of the wrong type. Not everything is wrong in fastavro's
        eyes: it cuts a float to an integer, so quantities must have been checked before.
        """
        writer = self._writers.get(full_name) or self._writer(full_name)
        return _encode(full_name, writer.prefix, writer.schema, record)

    def encode_plain(self, full_name: str, record: Mapping[str, Any]) -> bytes:
        """As encode, the same bytes; instants are integers, milliseconds since 1970 (UTC).

        In a union of records a record may be its own bytes. Then NotEncodable may also mean that fastavro would have to write the rest.
        """
        writer = self._writers.get(full_name) or self._writer(full_name)
        if writer.fast is not None:
            try:  # Not suppress(): it costs as much as a small record.
                return writer.prefix + writer.fast(record)
            except Exception:  # noqa: BLE001, S110 - fastavro says what is wrong, or that nothing is.
                pass
        return _encode(full_name, writer.prefix, writer.plain, record)

    def decode(self, value: bytes | None) -> Decoded:
        """The record as its newest schema has it, whatever version wrote it; instants are aware UTC datetimes.

        Raises NotFramed, UnknownSchemaId or Undecodable, each with its stable code.
        """
        if value is None:
            raise NotFramed("The value is empty.")
        prefix = value[:PREFIX_BYTES]
        reader = self._readers.get(prefix) or self._reader(prefix, plain=False)
        return _decode(reader, value)

    def decode_plain(self, value: bytes | None) -> Decoded:
        """As decode, but instants are integers, milliseconds since 1970 (UTC), of any size."""
        if value is None:
            raise NotFramed("The value is empty.")
        prefix = value[:PREFIX_BYTES]
        reader = self._plain_readers.get(prefix) or self._reader(prefix, plain=True)
        if reader.fast is not None:
            try:
                record, end = reader.fast(value, PREFIX_BYTES)
            except Exception:  # noqa: BLE001 - fastavro says what is wrong, or that nothing is.
                record, end = None, -1
            if end == len(value):
                return tuple.__new__(Decoded, (reader.name, record))  # Half the time of calling the class.
        return _decode(reader, value)

    def _writer(self, full_name: str) -> _Writer:
        prefix = _PREFIX.pack(MAGIC, self.id_of(full_name))
        plain = sources.plain_schema(full_name)
        writer = _Writer(prefix, sources.schema(full_name), plain, compiled.writer_of(plain))
        self._writers[full_name] = writer
        return writer

    def _reader(self, prefix: bytes, *, plain: bool) -> _Reader:
        entry = self._entries.get(prefix)
        if entry is None:
            raise _reason(prefix)
        newest = sources.plain_schema(entry.name) if plain else sources.schema(entry.name)
        current = entry.version == catalogue.newest(entry.name).version
        written = newest if current else catalogue.parsed(entry, plain=plain)
        fast = self._compiled_reader(written) if plain and current else None
        reader = _Reader(entry.name, written, None if current else newest, _has_record_union(written), fast)
        (self._plain_readers if plain else self._readers)[prefix] = reader
        return reader

    def _compiled_reader(self, schema: Any) -> compiled.Reader | None:
        return (
            compiled.reader_of(schema)
            if self._patterns is None
            else compiled.matching_reader_of(schema, self._patterns)
        )


def _encode(full_name: str, prefix: bytes, schema: Any, record: Mapping[str, Any]) -> bytes:
    out = BytesIO()
    out.write(prefix)
    try:
        fastavro.schemaless_writer(out, schema, record, strict_allow_default=True)
    except Exception as error:  # fastavro promises no one kind of error.
        raise NotEncodable(f"{full_name}: {type(error).__name__}: {error}") from error
    return out.getvalue()


def _decode(reader: _Reader, value: bytes) -> Decoded:
    body = BytesIO(value)
    body.seek(PREFIX_BYTES)
    try:
        # fastavro gives one object for each schema, and a record's is a dict.
        record: Any = fastavro.schemaless_reader(
            body,
            reader.written,
            reader.wanted,
            return_record_name=reader.named,
            return_record_name_override=reader.named,
        )
    except Exception as error:  # Random bytes raise anything: EOFError, IndexError, OverflowError ...
        # Without addresses in memory: what is refused for this reason is written into frames, which must be the same each time.
        said = _ADDRESS.sub("", str(error))
        raise Undecodable(f"{reader.name}: {type(error).__name__}: {said}") from error
    if body.tell() != len(value):
        raise Undecodable(f"{reader.name}: {len(value) - body.tell()} bytes are left over after the record.")
    return Decoded(reader.name, record)


def _reason(prefix: bytes) -> WireError:
    if len(prefix) < PREFIX_BYTES:
        return NotFramed(f"{len(prefix)} bytes are too few for a magic byte and a schema id.")
    if prefix[0] != MAGIC:
        return NotFramed(f"The first byte is 0x{prefix[0]:02x}, not 0x00.")
    return UnknownSchemaId(f"Schema id {int.from_bytes(prefix[1:])} is none of ours.")


def _has_record_union(node: Any) -> bool:
    """Whether a parsed schema has a union of several records (or names of types: fastavro counts them alike)."""
    if isinstance(node, list):
        named = [branch for branch in node if isinstance(branch, dict) or branch not in AVRO_TYPES]
        return sum(1 for branch in named if isinstance(branch, str) or branch["type"] == "record") > 1 or any(
            map(_has_record_union, node)
        )
    if isinstance(node, dict):
        return any(_has_record_union(node.get(part)) for part in ("type", "items", "values")) or any(
            _has_record_union(field["type"]) for field in node.get("fields", ())
        )
    return False
