"""Compiled readers and writers are fastavro, faster: the same bytes, the same records, the same refusals."""

from __future__ import annotations

import time
from functools import cache
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.nightly import examples

from entitlements.ledger.frames import FrameHead, write_frame
from entitlements.ledger.records import name_in_ledger
from entitlements_schemas import NotEncodable, Undecodable, Wire, WireError, catalogue, names, plain_schema
from entitlements_schemas.compiled import Unusual, reader_of, writer_of
from entitlements_schemas.compiled.patterns import EMPTY
from entitlements_schemas.compiled.templates import GIVEN, template_of
from entitlements_schemas.compiled.values import LONGS_OUT, TEXTS_OUT
from entitlements_schemas.testing import records
from entitlements_schemas.wire import PREFIX_BYTES

TRAVELLING = catalogue.travelling()


def by_fastavro_alone() -> Wire:
    wire = Wire()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("entitlements_schemas.compiled.writer_of", lambda _: None)
        patch.setattr("entitlements_schemas.compiled.reader_of", lambda _: None)
        for name in TRAVELLING:
            wire._reader(wire._writer(name).prefix, plain=True)
    assert all(each.fast is None for each in (*wire._writers.values(), *wire._plain_readers.values()))
    return wire


FAST = Wire()
SLOW = by_fastavro_alone()
few = settings(
    max_examples=examples(8), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
FRAME_READER: Any = reader_of(plain_schema("entitlements.ledger.Frame"))
RECORD_USAGE = "entitlements.commands.RecordUsage"
PROVISION_POOL = "entitlements.commands.ProvisionPool"
line = {
    "resource_key": "api_calls",
    "quantity": 1,
    "mode": "strict",
    "occurred_at": 0,
    "workspace_id": "",
    "usage_id": "",
}
used = {"command_id": "c", "pool_id": "p", "lines": [line]}


def result_of(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except WireError as error:
        return type(error), str(error)


@cache
def compiled(name: str) -> tuple[Any, Any]:
    """The writer and the reader of a record: compiled once, not in each example."""
    return writer_of(plain_schema(name)), reader_of(plain_schema(name))


@pytest.mark.parametrize("name", TRAVELLING)
def test_every_record_that_travels_is_compiled(name: str) -> None:
    write, read = compiled(name)
    assert write is not None
    assert read is not None


@pytest.mark.parametrize("name", TRAVELLING)
@few
@given(data=st.data())
def test_the_bytes_are_those_of_fastavro_and_are_read_back(name: str, data: st.DataObject) -> None:
    record = data.draw(records(name, plain=True))
    out = BytesIO()
    fastavro.schemaless_writer(out, plain_schema(name), record)
    write, read = compiled(name)
    assert write(record) == out.getvalue()
    found, end = read(b"12345" + out.getvalue(), 5)
    assert (found, end) == (record, 5 + len(out.getvalue()))
    assert repr(found) == repr(SLOW.decode_plain(FAST.encode_plain(name, record)).record), "fields in the same order"


@pytest.mark.parametrize("name", names("events"))
@settings(few, max_examples=examples(2))
@given(data=st.data())
def test_every_event_of_a_frame_is_read_back(name: str, data: st.DataObject) -> None:
    """There are more of them than one byte of Avro can tell apart."""
    frame = "entitlements.ledger.Frame"
    name = name_in_ledger(name)
    event = (name, data.draw(records(name, plain=True)))
    record = {"partition": 0, "first_command": 0, "last_command": 0, "previous_offset": 0, "previous_hash": b"",
              "decided_at": 0, "engine": "", "events": [event], "refusals": []}  # fmt: skip
    assert FRAME_READER(FAST.encode_plain(frame, record), PREFIX_BYTES)[0] == record


@pytest.mark.parametrize("name", TRAVELLING)
@few
@given(data=st.data())
def test_damaged_bytes_are_what_fastavro_makes_of_them(name: str, data: st.DataObject) -> None:
    value = bytearray(SLOW.encode_plain(name, data.draw(records(name, plain=True))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(PREFIX_BYTES, max(PREFIX_BYTES, len(value) - 1)))
        value[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=3))
    assert result_of(FAST.decode_plain, bytes(value)) == result_of(SLOW.decode_plain, bytes(value))


@settings(max_examples=examples(1000), deadline=None)
@given(entry=st.sampled_from(catalogue.entries()), body=st.binary(max_size=60))
def test_random_bytes_are_what_fastavro_makes_of_them(entry: catalogue.Entry, body: bytes) -> None:
    value = b"\x00" + entry.id.to_bytes(4, "big") + body
    assert result_of(FAST.decode_plain, value) == result_of(SLOW.decode_plain, value)


@pytest.mark.parametrize(
    ("name", "record"),
    [
        (RECORD_USAGE, used),
        (RECORD_USAGE, {**used, "lines": []}),
        (RECORD_USAGE, {**used, "lines": ()}),
        (RECORD_USAGE, {**used, "lines": (line, line)}),
        (RECORD_USAGE, {**used, "lines": "ab"}),
        (RECORD_USAGE, {**used, "lines": [{"resource_key": "k", "quantity": 1}]}),
        (RECORD_USAGE, {**used, "lines": [{**line, "more": 1}]}),
        (RECORD_USAGE, {**used, "lines": [{**line, "quantity": "1"}]}),
        (RECORD_USAGE, {**used, "lines": [{**line, "quantity": 1.0}]}),
        (RECORD_USAGE, {**used, "lines": [{**line, "quantity": 1.9}]}),
        (RECORD_USAGE, {**used, "lines": [{**line, "quantity": True}]}),
        (RECORD_USAGE, {**used, "lines": [{**line, "quantity": None}]}),
        (RECORD_USAGE, {**used, "lines": [{**line, "quantity": 2**63}]}),
        (RECORD_USAGE, {**used, "lines": [{**line, "mode": "lax"}]}),
        (RECORD_USAGE, {**used, "lines": [{**line, "mode": ["strict"]}]}),
        (RECORD_USAGE, {**used, "lines": [{**line, "resource_key": b"k"}]}),
        (RECORD_USAGE, {**used, "lines": [None]}),
        (RECORD_USAGE, {**used, "effective_at": True}),
        (RECORD_USAGE, {**used, "effective_at": 1.0}),
        (RECORD_USAGE, {**used, "effective_at": "1"}),
        (RECORD_USAGE, {**used, "caller": 1}),
        (RECORD_USAGE, {**used, "caller": "\ud800"}),
        (RECORD_USAGE, {"pool_id": "p", "lines": [line]}),
        (RECORD_USAGE, {**used, "command_id": "ä" * 200}),
    ],
)
def test_a_record_of_another_shape_is_what_fastavro_makes_of_it(name: str, record: dict[str, Any]) -> None:
    for number in (1, 0):  # What is remembered is not taken for what equals it.
        FAST.encode_plain(RECORD_USAGE, {**used, "effective_at": number, "lines": [{**line, "quantity": number}]})
    assert result_of(FAST.encode_plain, name, record) == result_of(SLOW.encode_plain, name, record)


def test_arrays_in_several_blocks_are_read() -> None:
    blocks = b"\x02c\x00\x00\x00\x00\x00\x02p\x02\x02k\x02\x00\x00\x00\x00\x00\x01\x10\x02l\x04\x02\x00\x00\x00\x00\x00\x00\x00"
    value = b"\x00" + FAST.id_of(RECORD_USAGE).to_bytes(4, "big") + blocks
    assert result_of(FAST.decode_plain, value) == result_of(SLOW.decode_plain, value)
    assert [each["resource_key"] for each in FAST.decode_plain(value).record["lines"]] == ["k", "l"]


def test_numbers_without_an_end_cost_no_time() -> None:
    value = b"\x00" + FAST.id_of(RECORD_USAGE).to_bytes(4, "big") + b"\xff" * 1_000_000
    began = time.perf_counter()
    with pytest.raises(Undecodable):
        FAST.decode_plain(value)
    assert time.perf_counter() - began < 5.0


def test_more_texts_and_numbers_than_are_remembered_come_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entitlements_schemas.compiled.values._REMEMBERED_MAX", 10)
    for number in range(1_000):
        record = {
            **used,
            "pool_id": f"p-{number}",
            "lines": [{**line, "quantity": number, "occurred_at": 2**40 + number}],
        }
        value = FAST.encode_plain(RECORD_USAGE, record)
        assert value == SLOW.encode_plain(RECORD_USAGE, record)
        assert FAST.decode_plain(value) == SLOW.decode_plain(value)


@pytest.mark.parametrize(
    "type_",
    [
        "double",
        "float",
        {"type": "map", "values": "long"},
        {"type": "fixed", "name": "f", "size": 2},
        ["null", "long", "string"],
    ],
)
def test_a_type_that_is_not_known_here_is_left_to_fastavro(type_: Any) -> None:
    schema = fastavro.parse_schema({"type": "record", "name": "n.r", "fields": [{"name": "x", "type": type_}]})
    assert writer_of(schema) is None
    assert reader_of(schema) is None


def test_what_is_not_known_is_raised_not_guessed() -> None:
    write = writer_of(plain_schema(RECORD_USAGE))
    assert write is not None
    with pytest.raises(Unusual):
        write({**used, "more": 1})


LINE = "entitlements.entities.RecordedLine"


@settings(few, max_examples=examples(100))
@given(data=st.data())
def test_a_template_of_the_fields_is_the_record_that_is_written(data: st.DataObject) -> None:
    record, write = data.draw(records(LINE, plain=True)), writer_of(plain_schema(LINE))
    empty = {"overage": 0, "late": False, "details": None}
    record = {name: empty.get(name, record[name]) for name in records_fields(LINE)}
    fields = {name: EMPTY if name in empty else GIVEN for name in record}
    given_as = {"mode": lambda mode: LONGS_OUT[["strict", "report"].index(mode)], "resource_key": TEXTS_OUT.__getitem__}
    given = [
        given_as.get(name, (TEXTS_OUT if isinstance(value, str) else LONGS_OUT).__getitem__)(value)
        for name, value in record.items()
        if name not in empty
    ]
    assert write is not None
    assert template_of(plain_schema(LINE), fields) % tuple(given) == write(record)


def test_arrays_of_a_template_are_given_by_count_and_items_and_nulls_by_value() -> None:
    total, event = "entitlements.entities.UsageTotal", "entitlements.events.UsageRefused"
    periods: dict[str, str] = {"resource_key": GIVEN, "period_start": GIVEN, "period_end": EMPTY, "consumed": GIVEN,
                               "elsewhere": EMPTY, "owed": EMPTY}  # fmt: skip
    record = {"resource_key": "k", "period_start": 7, "period_end": None, "consumed": 3, "elsewhere": 0, "owed": 0}
    template, write = template_of(plain_schema(total), periods), writer_of(plain_schema(total))
    assert write is not None
    assert template % (TEXTS_OUT["k"], LONGS_OUT[7], LONGS_OUT[3]) == write(record)
    fields = {name: GIVEN if name == "lines" else EMPTY for name in records_fields(event)}
    assert template_of(plain_schema(event), fields) == b"\x00\x00\x00\x00%b%b\x00\x00"


def records_fields(name: str) -> list[str]:
    schema: Any = plain_schema(name)
    return [field["name"] for field in schema["fields"]]


def test_an_event_of_a_frame_may_be_written_already_whoever_writes_the_rest() -> None:
    """An engine's name that is no plain text is for fastavro, which knows records only."""

    class Text(str):
        __slots__ = ()

    name, key = "entitlements.events.UsageRefused", {"originator_id": "p", "originator_version": 1, "timestamp": 2}
    record = {**key, "sources": [], "lines": [], "actor": "ann"}
    write: Any = writer_of(plain_schema(name))
    frames = [
        write_frame(FrameHead(0, 1, 2, 3, b"4"), decided_at_ms=5, engine=engine, events=[(name, event)], refusals=[])
        for event in (record, write(record))
        for engine in ("me", Text("me"))
    ]
    assert set(frames) == {frames[0]}
    with pytest.raises(NotEncodable):
        write_frame(
            FrameHead(0, 1, 2, 3, b"4"), decided_at_ms="5", engine="", events=[(name, write(record))], refusals=[]
        )  # type: ignore[arg-type]
