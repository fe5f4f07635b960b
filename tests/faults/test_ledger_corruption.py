"""One flipped byte, one altered frame: every reader of the ledger stops and names the frame."""

import hashlib
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer
from tests.faults import driving
from tests.faults.driving import eventually, line, open_pool, pools_on, provision, quota, use

from entitlements import testing
from entitlements.errors import LedgerError, LedgerHasAGap, LedgerIsCorrupt
from entitlements.ledger.caller import Caller
from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.recovery import recover
from entitlements.ledger.tail import LedgerTail
from entitlements.local import LocalKafka
from entitlements.settings import Settings
from entitlements_projections.migrations import migrate

HEADER_KEY = b"frame_sha256"


class Frame(NamedTuple):
    """A frame in its segment file: its value, and where its record batch starts."""

    value: bytes
    at: int
    batch_at: int


#: Which byte of the file, and which bit of it.
FLIPS: dict[str, Callable[[bytes, Frame], tuple[int, int]]] = {
    "the magic byte of the value": lambda data, f: (f.at, 0x01),
    "the schema id": lambda data, f: (f.at + 4, 0x01),
    "the head of the frame": lambda data, f: (f.at + 6, 0x02),
    "the middle of the value": lambda data, f: (f.at + len(f.value) // 2, 0x10),
    "the last byte of the value": lambda data, f: (f.at + len(f.value) - 1, 0x80),
    "the hash": lambda data, f: (data.index(hashlib.sha256(f.value).digest(), f.at) + 31, 0x01),
    "the name of the hash": lambda data, f: (data.index(HEADER_KEY, f.at), 0x01),
    "the name of the hash, so that it is no text": lambda data, f: (data.index(HEADER_KEY, f.at) + 3, 0x80),
    "the batch says that it controls": lambda data, f: (f.batch_at + 22, 0x20),
    "the batch says that it is compressed": lambda data, f: (f.batch_at + 22, 0x01),
    "the batch has another offset": lambda data, f: (f.batch_at + 7, 0x10),
    "the batch has another format": lambda data, f: (f.batch_at + 16, 0x01),
    "the batch has another number of records": lambda data, f: (f.batch_at + 60, 0x02),
}
CASES = [(name, which) for name in FLIPS for which in ("middle", "last")]


@pytest.fixture(scope="module")
def flipped(own_kafka: LocalKafka) -> tuple[Settings, dict[int, int]]:
    """A partition for each case, and the offset of the frame that one byte was flipped in while the broker was down."""
    settings = driving.settings_for(own_kafka.bootstrap, testing.unique_prefix(), partitions=len(CASES))
    pools = [next(pools_on(number, len(CASES))) for number in range(len(CASES))]
    with driving.engine(settings), Caller(settings) as caller:
        for make in (open_pool, lambda p: provision(p, quota(9)), *[lambda p: use(p, line())] * 3):
            caller.call_all([make(pool) for pool in pools])
    frames = driving.read_all(settings, "ledger")
    own_kafka.stop()
    flipped = {}
    for number, (name, which) in enumerate(CASES):
        frame = frames[number][len(frames[number]) // 2 if which == "middle" else -1]
        flipped[number] = frame.offset()
        folder = own_kafka.folder / "data" / f"{settings.topic('ledger')}-{number}"
        flip(folder / f"{0:020}.log", frame.value(), FLIPS[name])  # type: ignore[arg-type]
    own_kafka.restart()
    return settings, flipped  # type: ignore[return-value]


def flip(segment: Path, value: bytes, where: Callable[[bytes, Frame], tuple[int, int]]) -> None:
    data = bytearray(segment.read_bytes())
    at = data.index(value)
    byte, bit = where(bytes(data), Frame(value, at, batch_before(data, at)))
    data[byte] ^= bit
    segment.write_bytes(data)


def batch_before(data: bytes, at: int) -> int:
    """The start of the record batch around a position: each begins with its offset (8 bytes) and length (4 bytes)."""
    start = 0
    while (following := start + 12 + struct.unpack_from(">i", data, start + 8)[0]) <= at:
        start = following
    return start


@pytest.mark.parametrize(("name", "which"), CASES)
def test_a_flipped_byte_stops_a_reader_and_a_new_owner_who_name_the_frame(
    flipped: tuple[Settings, dict[int, int]], name: str, which: str
) -> None:
    settings, offsets = flipped
    number = CASES.index((name, which))
    named = f"Frame {offsets[number]} of partition {number} "
    read: list[int] = []
    with pytest.raises(LedgerError, match=named):
        read_to_the_end(settings, number, read)
    assert read == list(range(offsets[number])), "what is valid before it is read, and nothing after it"
    with pytest.raises(LedgerError, match=named):
        recover(settings, number, threading.Event())


def read_to_the_end(settings: Settings, number: int, read: list[int]) -> None:
    tail = LedgerTail(settings, {number: ChainPosition()})
    try:
        end = eventually(lambda: tail.end_offset(number))
        while tail.next_offset(number) < end:
            read.extend(frame.offset for frame in tail.read())
    finally:
        tail.close()


def test_a_process_that_starts_on_a_flipped_byte_ends_with_an_error_that_names_the_frame(
    flipped: tuple[Settings, dict[int, int]], database: str
) -> None:
    settings, offsets = flipped
    migrate(database)
    settings = settings.model_copy(update={"postgres": database})
    with (
        # So long that it hears of what it could not take over, too: that is not why it ends.
        driving.engine(settings, {"entitlements.ledger.engine.IDLE_FOR": 5.0}) as engine,
        driving.publisher(settings) as publisher,
        driving.projector(settings) as projector,
    ):
        named = [f"Frame {offset} of partition {number} " for number, offset in offsets.items()]
        for process in (engine, publisher, projector):
            assert process.ended() == 1, process.said
            assert any(name in process.said for name in named), process.said
            assert "LedgerIsCorrupt" in process.said or "LedgerHasAGap" in process.said


def test_a_flipped_byte_among_undecided_commands_ends_the_engine_with_an_error_that_says_so(
    own_kafka: LocalKafka, topic_prefix: str
) -> None:
    """Nothing behind it can be decided in its order; an engine that only waited would say nothing of it."""
    settings = driving.settings_for(own_kafka.bootstrap, topic_prefix, partitions=1)
    pool = next(pools_on(0, 1))
    with Caller(settings) as caller:
        with driving.engine(settings):
            caller.call_all([open_pool(pool), provision(pool, quota(9))])
        for number in range(3):
            caller.post(use(pool, line(usage_id=f"u{number}"))).result(10)
    value = driving.read_all(settings, "commands")[0][-2].value()
    own_kafka.stop()
    segment = own_kafka.folder / "data" / f"{settings.topic('commands')}-0" / f"{0:020}.log"
    flip(segment, value, FLIPS["the middle of the value"])  # type: ignore[arg-type]
    own_kafka.restart()
    with driving.engine(settings) as engine:
        assert engine.ended(30.0) == 1, engine.said
        assert "CommandsAreCorrupt" in engine.said and "Partition 0" in engine.said, engine.said  # noqa: PT018


# --- While they run ----------------------------------------------------------------------------------------------------


class Last(NamedTuple):
    """The newest frame of a ledger."""

    value: bytes
    offset: int
    record: dict[str, Any]


def altered(last: Last) -> tuple[bytes, bytes]:
    value = bytearray(last.value)
    value[-1] ^= 1
    return bytes(value), hashlib.sha256(last.value).digest()


def hashed(value: bytes) -> tuple[bytes, bytes]:
    return value, hashlib.sha256(value).digest()


def frame_after(last: Last, **changes: Any) -> tuple[bytes, bytes]:
    following = {
        "first_command": last.record["last_command"] + 1,
        "last_command": last.record["last_command"] + 1,
        "previous_offset": last.offset,
        "previous_hash": hashlib.sha256(last.value).digest(),
    }
    return hashed(driving.WIRE.encode_plain("entitlements.ledger.Frame", last.record | following | changes))


#: What is written behind the newest frame: value and hash.
WRITTEN: dict[str, tuple[Callable[[Last], tuple[bytes, bytes | None]], type[LedgerError]]] = {
    "a frame with another's hash": (altered, LedgerIsCorrupt),
    "a frame without a hash": (lambda last: (last.value, None), LedgerIsCorrupt),
    "a hash over what is no frame": (lambda last: hashed(b"\0\0\0\0\1hello"), LedgerIsCorrupt),
    "a frame that hangs on nothing": (lambda last: frame_after(last, previous_hash=bytes(32)), LedgerHasAGap),
    "a frame that hangs on what is to come": (lambda last: frame_after(last, previous_offset=999), LedgerHasAGap),
    "a frame that leaves commands out": (
        lambda last: frame_after(last, first_command=last.record["last_command"] + 2),
        LedgerHasAGap,
    ),
}


@pytest.fixture
def at_work(kafka: str, topic_prefix: str, database: str) -> Iterator[tuple[Settings, Last, list[driving.Running]]]:
    """Everybody who reads the ledger, at its end."""
    migrate(database)
    settings = driving.settings_for(kafka, topic_prefix).model_copy(update={"postgres": database})
    with (
        driving.engine(settings) as engine,
        driving.publisher(settings) as publisher,
        driving.projector(settings) as projector,
        Caller(settings) as caller,
    ):
        pool = next(pools_on(1))
        caller.call_all([open_pool(pool), provision(pool, quota(9)), use(pool, line())])
        eventually(lambda: driving.published(settings, "usage")[1])
        eventually(lambda: "Projecting partitions" in projector.said)
        newest = driving.read_all(settings, "ledger")[1][-1]
        value: Any = newest.value()
        last = Last(value, newest.offset(), driving.WIRE.decode_plain(value).record)  # type: ignore[arg-type]
        yield settings, last, [engine, publisher, projector]


def test_whoever_reads_stops_when_an_altered_frame_is_written(
    at_work: tuple[Settings, Last, list[driving.Running]],
) -> None:
    settings, last, processes = at_work
    write(settings, 1, *altered(last))
    for process in processes:
        assert process.ended() == 1, process.said
        assert f"Frame {last.offset + 1} of partition 1 " in process.said
        assert "LedgerIsCorrupt" in process.said


def write(settings: Settings, number: int, value: bytes, digest: bytes | None) -> None:
    producer = Producer({"bootstrap.servers": settings.kafka})
    headers: Any = {} if digest is None else {HEADER_KEY.decode(): digest}
    producer.produce(settings.topic("ledger"), value, partition=number, headers=headers)
    assert producer.flush(10) == 0


@pytest.fixture(scope="module")
def wrong(kafka: str) -> Settings:
    """A partition for each frame that does not continue."""
    settings = driving.settings_for(kafka, testing.unique_prefix(), partitions=len(WRITTEN))
    with driving.engine(settings), Caller(settings) as caller:
        for number in range(len(WRITTEN)):
            pool = next(pools_on(number, len(WRITTEN)))
            caller.call_all([open_pool(pool), provision(pool, quota(9))])
    for number, messages in driving.read_all(settings, "ledger").items():
        value: Any = messages[-1].value()
        last = Last(value, messages[-1].offset(), driving.WIRE.decode_plain(value).record)  # type: ignore[arg-type]
        write(settings, number, *list(WRITTEN.values())[number][0](last))
    return settings


@pytest.mark.parametrize("what", WRITTEN)
def test_what_does_not_continue_is_named_by_every_new_reader(wrong: Settings, what: str) -> None:
    number = list(WRITTEN).index(what)
    offset = driving.end_of(wrong, "ledger", number) - 1
    with pytest.raises(WRITTEN[what][1], match=f"Frame {offset} of partition {number} "):
        recover(wrong, number, threading.Event())
