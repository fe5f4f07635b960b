"""Framing, round trips, and what is not a message of ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from typing import Any

import fastavro
import pytest
from fastavro.utils import generate_many
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.nightly import examples

from entitlements_schemas import (
    Decoded,
    NotEncodable,
    NotFramed,
    Undecodable,
    UnknownSchemaId,
    Wire,
    WireError,
    catalogue,
    plain_schema,
    text,
)
from entitlements_schemas.testing import records, records_of

WIRE = Wire()
NOW = datetime(2026, 3, 1, 12, 30, 0, 123000, tzinfo=UTC)
TRAVELLING = catalogue.travelling()
FRAME = "entitlements.ledger.Frame"
CLOSE_POOL = "entitlements.commands.ClosePool"
closed = {"command_id": "c-1", "pool_id": "p-1"}


#: What PoolOpened says by default.
LATER = {"time_zone": "UTC", "anchor_at": None, "defaults": []}


def event(**facts: Any) -> dict[str, Any]:
    return {"originator_id": "p-1", "originator_version": 1, "timestamp": NOW, "command_id": "c-1", **facts}


def frame(*events: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    return {
        "partition": 0,
        "first_command": 0,
        "last_command": 4,
        "previous_offset": -1,
        "previous_hash": bytes(32),
        "decided_at": NOW,
        "engine": "e",
        "events": list(events),
        "refusals": [],
    }


few = settings(
    max_examples=examples(6), deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


# --- round trips -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TRAVELLING)
@few
@given(data=st.data())
def test_what_was_encoded_is_decoded(name: str, data: st.DataObject) -> None:
    record = data.draw(records(name))
    assert WIRE.decode(WIRE.encode(name, record)) == Decoded(name, record)


@pytest.mark.parametrize("name", TRAVELLING)
@few
@given(data=st.data())
def test_plain_and_logical_write_the_same_bytes(name: str, data: st.DataObject) -> None:
    record = data.draw(records(name, plain=True))
    value = WIRE.encode_plain(name, record)
    assert WIRE.decode_plain(value) == (name, record)
    assert WIRE.encode(*WIRE.decode(value)) == value


# Not the frame: fastavro's generator does not name the records of a union.
@pytest.mark.parametrize("name", [name for name in TRAVELLING if name != FRAME])
def test_a_body_is_what_plain_fastavro_writes(name: str) -> None:
    for record in generate_many(plain_schema(name), 5):
        out = BytesIO()
        fastavro.schemaless_writer(out, plain_schema(name), record)
        value = WIRE.encode_plain(name, record)
        assert value[5:] == out.getvalue()
        assert (
            fastavro.schemaless_reader(BytesIO(value[5:]), plain_schema(name), None) == WIRE.decode_plain(value).record
        )


def test_the_events_of_a_frame_come_back_with_their_names() -> None:
    opened = event(organization_id="o", name="Pool", billing_account_id=None, backfill_from=None, actor="", **LATER)
    started = event(provision_id="v-1")
    written = frame(("entitlements.events.PoolOpened", opened), ("entitlements.events.ProvisionStarted", started))
    read = WIRE.decode(WIRE.encode(FRAME, written)).record
    assert read["events"] == [
        ("entitlements.events.PoolOpened", opened),
        ("entitlements.events.ProvisionStarted", started),
    ]


def test_records_in_a_union_with_null_come_back_bare() -> None:
    value = {
        "limit": 5, "soft_limit": None, "hard_limit": None, "period": "day", "anchored": False,
        "overage_at_reset": "forgive", "grace_for": 0, "credit_key": None, "credit_rate": 0, "credit_per": 1,
        "min_role": "", "override_id": "",
    }  # fmt: skip
    change = {
        "resource_key": "api_calls",
        "entitlement_type": "quota",
        "before": None,
        "after": value,
        "stacking": "sum",
        "contributions": [],
        "period": "day",
        "uncounted": 0,
    }
    written = frame(("entitlements.events.EntitlementsChanged", event(changes=[change])))
    assert WIRE.decode(WIRE.encode(FRAME, written)).record == written


def test_instants_come_back_aware_or_as_milliseconds() -> None:
    value = WIRE.encode("entitlements.events.ProvisionStarted", event(provision_id="v-1"))
    assert WIRE.decode(value).record["timestamp"] == NOW
    assert WIRE.decode(value).record["timestamp"].tzinfo is UTC
    assert WIRE.decode_plain(value).record["timestamp"] == int(NOW.timestamp() * 1000)


# --- framing ---------------------------------------------------------------------------------------------------------


def test_the_framing_is_confluents_to_the_byte() -> None:
    body = b"\x06c-1\x00\x00\x00\x00\x00\x06p-1\x00"
    assert WIRE.encode(CLOSE_POOL, closed) == b"\x00" + WIRE.id_of(CLOSE_POOL).to_bytes(4, "big") + body


def test_ids_of_a_registry_are_written_and_bundled_ones_still_read() -> None:
    ids = {(entry.name, entry.version): number for number, entry in enumerate(catalogue.entries(), start=1)}
    wire = Wire(ids)
    newest = catalogue.newest(CLOSE_POOL)
    value = wire.encode(CLOSE_POOL, closed)
    assert value[:5] == b"\x00" + ids[CLOSE_POOL, newest.version].to_bytes(4, "big")
    assert wire.id_of(CLOSE_POOL) == ids[CLOSE_POOL, newest.version]
    assert wire.name_of(wire.id_of(CLOSE_POOL)) == CLOSE_POOL
    assert wire.decode(value) == wire.decode(WIRE.encode(CLOSE_POOL, closed))
    with pytest.raises(UnknownSchemaId):
        WIRE.decode(value)


def test_names_and_ids_belong_together() -> None:
    assert {WIRE.name_of(WIRE.id_of(name)) for name in TRAVELLING} == set(TRAVELLING)
    for unknown in (0, 1, -1, 2**31, 2**40):
        with pytest.raises(UnknownSchemaId):
            WIRE.name_of(unknown)


# --- what is not a message of ours -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, b"", b"\x00", b"\x00EN\x00", b"\x01EN\x00\x01abc", b'{"pool_id": 1}'])
def test_what_has_no_frame_is_not_framed(value: bytes | None) -> None:
    for decode in (WIRE.decode, WIRE.decode_plain):
        with pytest.raises(NotFramed) as caught:
            decode(value)
        assert caught.value.code == "not_framed"


@pytest.mark.parametrize("schema_id", [0, 1, 100_001, catalogue.FIRST_ID - 1, 2**32 - 1])
def test_a_foreign_schema_is_unknown(schema_id: int) -> None:
    for decode in (WIRE.decode, WIRE.decode_plain):
        with pytest.raises(UnknownSchemaId, match=str(schema_id)) as caught:
            decode(b"\x00" + schema_id.to_bytes(4, "big") + b"body")
        assert caught.value.code == "unknown_schema_id"


@pytest.mark.parametrize("decode", [WIRE.decode, WIRE.decode_plain])
def test_a_truncated_record_is_undecodable_wherever_it_is_cut(decode: Any) -> None:
    value = WIRE.encode(FRAME, frame(("entitlements.events.ProvisionStarted", event(provision_id="v-1"))))
    for length in range(5, len(value)):
        with pytest.raises(Undecodable) as caught:
            decode(value[:length])
        assert caught.value.code == "undecodable"


@pytest.mark.parametrize("decode", [WIRE.decode, WIRE.decode_plain])
def test_bytes_after_the_record_are_undecodable(decode: Any) -> None:
    value = WIRE.encode(CLOSE_POOL, closed)
    for more in (b"\x00", b"x" * 100, value):
        with pytest.raises(Undecodable, match="left over"):
            decode(value + more)


@settings(max_examples=examples(750), deadline=None)
@given(value=st.binary(max_size=80))
def test_random_bytes_have_a_stable_code(value: bytes) -> None:
    for decode in (WIRE.decode, WIRE.decode_plain):
        with pytest.raises(WireError) as caught:
            decode(value)
        assert caught.value.code in {"not_framed", "unknown_schema_id", "undecodable"}


@settings(max_examples=examples(750), deadline=None)
@given(entry=st.sampled_from(catalogue.entries()), body=st.binary(max_size=80))
def test_a_random_body_is_a_record_or_undecodable(entry: catalogue.Entry, body: bytes) -> None:
    value = b"\x00" + entry.id.to_bytes(4, "big") + body
    for decode in (WIRE.decode, WIRE.decode_plain):
        try:
            assert decode(value).name == entry.name
        except Undecodable as error:
            assert error.code == "undecodable"  # noqa: PT017  (Both are right; no third.)


@pytest.mark.parametrize(
    "length",
    [b"\xff\xff\xff\xff\xff\xff\xff\xff\x7f", b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", b"\x01", b"\xff" * 20],
    ids=["huge", "negative and huge", "minus one", "without end"],
)
@pytest.mark.parametrize("name", [CLOSE_POOL, "entitlements.commands.RecordUsage"])
def test_an_absurd_length_is_undecodable_and_costs_no_memory(name: str, length: bytes) -> None:
    before = b"" if name == CLOSE_POOL else b"\x02c\x00\x00\x00\x00\x02p"
    with pytest.raises(Undecodable):
        WIRE.decode(b"\x00" + WIRE.id_of(name).to_bytes(4, "big") + before + length + b"abc")


def test_an_instant_beyond_the_calendar_is_undecodable() -> None:
    value = WIRE.encode_plain("entitlements.commands.AdvanceClock", {**closed, "effective_at": 2**60})
    with pytest.raises(Undecodable):
        WIRE.decode(value)
    assert WIRE.decode_plain(value).record["effective_at"] == 2**60, "plain readers check instants themselves"


@pytest.mark.parametrize(
    "record",
    [
        {"pool_id": "p"},
        {**closed, "pool": "p"},
        {**closed, "pool_id": None},
        {**closed, "pool_id": 1},
        {**closed, "effective_at": "now"},
        {**closed, "effective_at": 2**64},
        {**closed, "reason": "\ud800"},
    ],
    ids=["missing", "unknown", "null", "type", "instant", "range", "surrogate"],
)
def test_a_record_that_does_not_fit_is_not_encodable(record: dict[str, Any]) -> None:
    for encode in (WIRE.encode, WIRE.encode_plain):
        with pytest.raises(NotEncodable, match=r"entitlements\.commands\.ClosePool") as caught:
            encode(CLOSE_POOL, record)
        assert caught.value.code == "not_encodable"


@pytest.mark.parametrize("name", ["entitlements.events.AnswerRemembered", "entitlements.entities.Rule", "Nothing"])
def test_a_record_of_no_topic_is_not_encodable(name: str) -> None:
    with pytest.raises(NotEncodable, match="no topic"):
        WIRE.encode(name, {})


# --- versions --------------------------------------------------------------------------------------------------------


@cache
def frozen_records(entry: catalogue.Entry) -> st.SearchStrategy[Any]:
    return records_of(json.loads(catalogue.frozen_text(entry)))


@pytest.mark.parametrize("entry", catalogue.entries(), ids=lambda entry: f"{entry.name}.{entry.version}")
@few
@given(data=st.data())
def test_the_newest_version_reads_every_frozen_one(entry: catalogue.Entry, data: st.DataObject) -> None:
    record = data.draw(frozen_records(entry))
    out = BytesIO()
    fastavro.schemaless_writer(out, catalogue.parsed(entry), record)
    value = b"\x00" + entry.id.to_bytes(4, "big") + out.getvalue()
    read = WIRE.decode(value)
    assert read.name == entry.name
    assert WIRE.decode(WIRE.encode(*read)) == read


class Yesterday:
    """A catalogue in which an older version of one record comes before those that are."""

    def __init__(self, name: str, definition: Any) -> None:
        self.definition = definition
        self.entry = catalogue.Entry(name, 1, 7, "")
        self._newest = catalogue.newest(name)._replace(version=2)

    def wire(self, patch: pytest.MonkeyPatch) -> Wire:
        parsed = fastavro.parse_schema(json.loads(json.dumps(self.definition)))
        patch.setattr(catalogue, "entries", lambda: (self.entry, self._newest))
        patch.setattr(catalogue, "newest", lambda _: self._newest)
        patch.setattr(catalogue, "parsed", lambda *_, **__: parsed)
        return Wire()

    def value(self, record: dict[str, Any]) -> bytes:
        out = BytesIO()
        fastavro.schemaless_writer(out, fastavro.parse_schema(json.loads(json.dumps(self.definition))), record)
        return b"\x00\x00\x00\x00\x07" + out.getvalue()


def test_a_field_that_is_new_gets_its_default_and_one_that_is_gone_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = text(CLOSE_POOL)
    definition["fields"] = [field for field in definition["fields"] if field["name"] != "reason"]
    definition["fields"].insert(1, {"name": "gone", "type": "string"})
    yesterday = Yesterday(CLOSE_POOL, definition)
    wire = yesterday.wire(monkeypatch)
    read = wire.decode(yesterday.value({**closed, "gone": "x"}))
    assert read == (
        CLOSE_POOL,
        {
            **closed,
            "idempotency_key": None,
            "actor": "",
            "caller": None,
            "effective_at": None,
            "caller_organization_id": None,
            "reason": "",
        },
    )
    assert wire.id_of(CLOSE_POOL) == catalogue.newest(CLOSE_POOL).id, "the newest version is written"
    assert wire.name_of(7) == CLOSE_POOL


def test_a_frame_of_yesterday_gives_its_events_as_they_are_today(monkeypatch: pytest.MonkeyPatch) -> None:
    definition = text(FRAME)
    items = next(field for field in definition["fields"] if field["name"] == "events")["type"]["items"]
    opened = next(item for item in items if isinstance(item, dict) and item["name"] == "PoolOpened")
    opened["fields"] = [field for field in opened["fields"] if field["name"] != "actor"]
    items[:] = [item for item in items if item["name"] not in {"WorkspaceUnassigned", "BackfillEnded"}]
    yesterday = Yesterday(FRAME, definition)
    old = event(organization_id="o", name="n", billing_account_id=None, backfill_from=None)
    started = event(provision_id="v")
    read = yesterday.wire(monkeypatch).decode(
        yesterday.value(
            frame(("entitlements.events.PoolOpened", old), ("entitlements.events.ProvisionStarted", started))
        )
    )
    assert read.record["events"] == [
        ("entitlements.events.PoolOpened", {**old, "actor": "", **LATER}),
        ("entitlements.events.ProvisionStarted", started),
    ]


def test_nothing_is_written_with_a_schema_that_is_not_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "unfrozen", lambda: (CLOSE_POOL,))
    with pytest.raises(catalogue.NotFrozen, match=CLOSE_POOL):
        Wire()
