"""What cannot be handled goes to the quarantine with its bytes, position and reason, and what follows is handled."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from confluent_kafka import Producer
from tests.faults import driving
from tests.faults.driving import WIRE, eventually, line, open_pool, pools_on, provision, quarantined, quota, use

from entitlements import examples_of_terms as terms
from entitlements import testing
from entitlements.ledger.caller import Caller
from entitlements.ledger.records import shape_of
from entitlements.settings import Settings

TWO_MB = 2 * 1024 * 1024
POOL = next(pools_on(0))
BREAKS = next(pools_on(0, prefix="breaks"))
OPENED = {
    **dict.fromkeys(("billing_account_id", "backfill_from")),
    "originator_id": POOL,
    "originator_version": 1,
    "timestamp": 0,
    "command_id": "c",
    "name": "",
    "organization_id": "o",
    "actor": "",
}


def recorded(**changes: Any) -> bytes:
    command = use(POOL, line())
    record = shape_of(type(command)).to_record(command) | changes
    return WIRE.encode_plain("entitlements.commands.RecordUsage", record)


def opened(**changes: Any) -> bytes:
    command = open_pool(POOL)
    return WIRE.encode_plain("entitlements.commands.OpenPool", shape_of(type(command)).to_record(command) | changes)


#: A record of the command log that is no command, and the code under which it is put away.
COMMANDS: dict[str, tuple[bytes | None, str]] = {
    "random bytes": (b"\xde\xad\xbe\xef\x00\x01", "not_framed"),
    "nothing": (b"", "not_framed"),
    "a tombstone": (None, "not_framed"),
    "text": (b'{"command": "OpenPool"}', "not_framed"),
    "a foreign schema id": (b"\0\x7f\0\0\x01rest", "unknown_schema_id"),
    "a command that is cut off": (recorded()[:-9], "undecodable"),
    "a command with more behind it": (recorded() + b"\0", "undecodable"),
    "a name of a command and random bytes": (recorded()[:5] + b"\xff" * 40, "undecodable"),
    "an instant in no calendar": (opened(backfill_from=2**62), "undecodable"),
    "an event": (WIRE.encode_plain("entitlements.events.PoolOpened", OPENED), "not_a_command"),
    "2 MB of zeros": (bytes(TWO_MB), "oversize"),
    "2 MB of a command": (recorded(actor="a" * TWO_MB), "oversize"),
}
#: A record of the ledger that is no frame.
FOREIGN: dict[str, bytes | None] = {
    "random bytes": b"\xde\xad\xbe\xef\x00\x01",
    "nothing": b"",
    "a tombstone": None,
    "an event": WIRE.encode_plain("entitlements.events.PoolOpened", OPENED),
    "2 MB": bytes(TWO_MB),
}


class Bus(NamedTuple):
    settings: Settings
    caller: Caller
    producer: Producer

    def write(self, topic: str, value: bytes | None, **more: Any) -> int:
        """Write a record to partition 0 of a topic; its offset."""
        offsets: list[int] = []
        name = self.settings.topic(topic)
        self.producer.produce(
            name, value, partition=0, on_delivery=lambda _, m: offsets.append(m.offset()), **({"key": b"k"} | more)
        )
        assert self.producer.flush(10) == 0
        return offsets[0]

    def use(self) -> None:
        """The ledger goes on."""
        assert self.caller.call(use(POOL, line())).is_accepted

    def put_away(self, topic: str, offset: int, found_by: str) -> dict[str, Any]:
        """What is in quarantine of a record: once it is there."""
        where = self.settings.topic(topic), 0, offset, found_by
        return eventually(  # type: ignore[no-any-return]
            lambda: next(
                (
                    record
                    for record in quarantined(self.settings)
                    if (record["topic"], record["partition"], record["offset"], record["found_by"]) == where
                ),
                None,
            )
        )


def break_on_some_pools() -> None:
    """A decision with a fault in it: what should never happen, happens."""
    real: Any = None

    def broken(pool: Any, *arguments: Any) -> Any:
        assert pool.id != BREAKS or pool.organization_id != "o", "a fault in a rule"
        return real(pool, *arguments)

    real = driving.patch("entitlements.ledger.partition.record_usage", broken)


@pytest.fixture(scope="module")
def bus(kafka: str) -> Iterator[Bus]:
    settings = driving.settings_for(kafka, testing.unique_prefix())
    producer = Producer({"bootstrap.servers": kafka, "message.max.bytes": 8 * 1024 * 1024, "linger.ms": 0})
    with (
        driving.engine(settings, prepare=break_on_some_pools) as engine,
        driving.publisher(settings) as publisher,
        Caller(settings) as caller,
    ):
        for pool in (POOL, BREAKS):
            caller.call_all([open_pool(pool), provision(pool, quota(None))])
        yield Bus(settings, caller, producer)
        assert engine.is_running, engine.said
        assert publisher.is_running, publisher.said


@pytest.mark.parametrize("what", COMMANDS)
def test_what_is_no_command_is_put_away_and_the_next_command_is_decided(bus: Bus, what: str) -> None:
    value, code = COMMANDS[what]
    offset = bus.write("commands", value, headers={"from": b"somewhere", "empty": None})
    bus.use()
    record = bus.put_away("commands", offset, "engine")
    assert (record["code"], record["value"], record["key"]) == (code, value, b"k")
    assert record["headers"] == [{"name": "from", "value": b"somewhere"}, {"name": "empty", "value": None}]
    assert record["message"]


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_frame_is_put_away_by_every_reader_and_the_ledger_goes_on(bus: Bus, what: str) -> None:
    offset = bus.write("ledger", FOREIGN[what])
    bus.use()
    for reader in ("engine", "publisher"):
        record = bus.put_away("ledger", offset, reader)
        assert (record["code"], record["value"]) == ("not_a_frame", FOREIGN[what])


def test_a_header_that_is_no_text_brings_nobody_down(bus: Bus) -> None:
    for topic, readers in (("commands", ["engine"]), ("ledger", ["engine", "publisher"])):
        offset = driving.end_of(bus.settings, topic, 0)
        write_with_a_header_that_is_no_text(bus.settings, topic)
        bus.use()
        for reader in readers:
            assert bus.put_away(topic, offset, reader)["value"] == b"value"


def write_with_a_header_that_is_no_text(settings: Settings, topic: str) -> None:
    """Our clients refuse to write it; this one does not look when it runs without its compiled parts."""
    script = f"""
import asyncio
from aiokafka import AIOKafkaProducer

class NoText(str):
    def encode(self, *_):
        return b"\\xff\\xfe"

async def main():
    async with AIOKafkaProducer(bootstrap_servers="{settings.kafka}") as producer:
        headers = [(NoText("x"), b"")]
        await producer.send_and_wait("{settings.topic(topic)}", b"value", key=b"k", partition=0, headers=headers)

asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", script], env=os.environ | {"AIOKAFKA_NO_EXTENSIONS": "1"}, check=True)


def test_a_command_that_breaks_its_decision_is_put_away_once_and_what_stands_beside_it_is_decided(bus: Bus) -> None:
    before = len(quarantined(bus.settings))
    many = [use(POOL, line()), use(BREAKS, line()), use(POOL, line())]
    first, broken, last = (bus.caller.send(command) for command in many)
    assert first.result(20).is_accepted
    assert last.result(20).is_accepted
    assert not broken.done(), "nobody knows what became of it"
    bus.use()
    codes = [record["code"] for record in quarantined(bus.settings)[before:]]
    assert codes == ["could_not_be_decided"]


def test_a_foreign_record_among_the_events_does_not_mislead_a_new_publisher(bus: Bus) -> None:
    headers = [{"ledger_offset": b"first", "ledger_index": b""}, {"ledger_offset": None, "ledger_index": None}, {}]
    for topic in ("events", "usage"):
        for each in headers:
            bus.write(topic, b"what is this?", headers=each)
    bus.use()
    with driving.publisher(bus.settings) as another:
        eventually(lambda: bus_is_published(bus))
        assert another.is_running, another.said


def bus_is_published(bus: Bus) -> bool:
    """Every event of the ledger is there; foreign records are passed over by this test."""
    wanted = {(e.offset, e.index) for e in driving.read_ledger(bus.settings).events[0] if e.name == "UsageRecorded"}
    found = set()
    for message in driving.read_all(bus.settings, "usage")[0]:
        said: Any = dict(message.headers() or ())
        if (said.get("ledger_offset") or b"first") != b"first":
            found.add((int(said["ledger_offset"]), int(said["ledger_index"])))
    return found == wanted


def test_a_caller_passes_over_what_is_no_outcome(bus: Bus) -> None:
    name = bus.settings.topic("outcomes")
    for partition in range(bus.settings.partitions):
        for value in (b"", None, b"\0\0\0\0\1?", bytes(TWO_MB)):
            bus.producer.produce(name, value, key=bus.caller.name, partition=partition)
    assert bus.producer.flush(10) == 0
    bus.use()


def test_what_is_decided_is_split_over_frames_and_what_fits_in_none_is_put_away(kafka: str, topic_prefix: str) -> None:
    settings = driving.settings_for(kafka, topic_prefix, partitions=1)
    margin, room = 64 * 1024, 16 * 1024
    pools = [f"p{n}" for n in range(40)]
    with Caller(settings) as caller:
        many = [command for pool in pools for command in (open_pool(pool), provision(pool, quota(9)))]
        large = provision(pools[0], *(quota(9, f"key-{n}") for n in range(400)), provision_id="large")
        # They wait for an engine, and so are one batch.
        answers = [caller.send(command) for command in (*many, large, use(pools[0], line()))]
        caller.flush()
        with driving.engine(settings, {"entitlements.ledger.engine.FRAME_BYTES_MAX": margin + room}) as engine:
            assert answers[-1].result(20).is_accepted
            assert all(answer.result(1).is_accepted for answer in answers[: len(many)])
            assert not answers[len(many)].done()
            assert engine.is_running
    sizes = [len(message.value() or b"") for message in driving.read_all(settings, "ledger")[0]]
    assert len(sizes) > 2
    assert max(sizes) <= room
    (put_away,) = quarantined(settings)
    assert (put_away["offset"], put_away["code"]) == (len(many), "could_not_be_decided")


def test_what_nobody_can_write_down_is_put_away_and_the_others_are_decided(kafka: str, topic_prefix: str) -> None:
    """With a bound of charges out of force a decision makes a number that no frame holds."""
    settings = driving.settings_for(kafka, topic_prefix, partitions=1)
    dear = terms.configure_on_demand(
        command_id="dear", pool_id="p", unit_price=10**9, price_per=1, spending_cap=None, alert_at=[]
    )
    with Caller(settings) as caller:
        before = [caller.send(command) for command in (open_pool("p"), provision("p", quota(9)), dear)]
        large = caller.send(use("p", line(2**40, mode="report")))
        after = caller.send(use("p", line()))
        caller.flush()
        with driving.engine(settings, {"entitlements.domain.cover.QUANTITY_MAX": 2**70}) as engine:
            assert after.result(20).is_accepted
            assert all(answer.result(1).is_accepted for answer in before)
            assert not large.done()
            assert engine.is_running
    (put_away,) = quarantined(settings)
    assert (put_away["offset"], put_away["code"]) == (3, "could_not_be_decided")
