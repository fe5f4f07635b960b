"""A process that takes over all partitions by the engine's own code, as the next engine does when one has died.

Its time is that of `recover` for every partition, one after the other: starting Python and joining the group are not in it.
"""

from __future__ import annotations

import gc
import json
import threading
import time
from pathlib import Path
from typing import Final, NamedTuple

from confluent_kafka import TopicPartition

from bench.place import FOLDER, Place, a_process, ends
from entitlements.ledger import clients
from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.frames import wire
from entitlements.ledger.recovery import recover
from entitlements.ledger.snapshots import MARK
from entitlements.settings import Settings

#: Seconds until an idle engine has written its snapshots: a round begins after 30 s, and of a million pools takes minutes.
SNAPSHOTS_WITHIN_FOR: Final = 600.0
TAKE_OVER_WITHIN_FOR: Final = 1_800.0
_LOOK_EVERY_FOR: Final = 0.5


class TakeOver(NamedTuple):
    """What a take-over found, and how long it took."""

    seconds: float
    events: int
    aggregates: int
    #: Where each partition stands: the same whatever it was read from.
    hashes: list[str]


def take_over(settings: Settings, *, snapshots: bool = True) -> TakeOver:
    """Let a new process take over. Without snapshots it folds the whole ledger."""
    to = FOLDER / "take-over.json"
    with a_process(settings, "take-over", "with" if snapshots else "without", str(to)) as process:
        assert process.wait(TAKE_OVER_WITHIN_FOR) == 0, "the take-over failed"
    return TakeOver(**json.loads(to.read_text(encoding="utf-8")))


def run(settings: Settings, snapshots: str, to: str) -> None:
    """The process."""
    gc.set_threshold(100_000, 50, 1_000)  # As the engine does.
    if snapshots == "without":
        settings = _WithoutSnapshots.model_validate(settings.model_dump())
    began = time.monotonic()
    partitions = [recover(settings, number, threading.Event()) for number in range(settings.partitions)]
    found = TakeOver(
        time.monotonic() - began,
        sum(partition.count_events() for partition in partitions),
        sum(partition.count() for partition in partitions),
        [partition.position.hash.hex() for partition in partitions],
    )
    Path(to).write_text(json.dumps(found._asdict()), encoding="utf-8")


class _WithoutSnapshots(Settings):
    def topic(self, name: str) -> str:
        """An empty topic of as many partitions stands in for that of the snapshots."""
        return super().topic("access-log" if name == "snapshots" else name)


def wait_for_snapshots(place: Place, settings: Settings) -> None:
    """Wait until an engine that has nothing else to do has written snapshots of all that the ledger holds."""
    place.say("waits for snapshots")
    until = time.monotonic() + SNAPSHOTS_WITHIN_FOR
    while any(
        end > 0 and _marked(settings, number) != end - 1
        for number, end in ends(settings, "ledger").items()
    ):  # fmt: skip
        assert time.monotonic() < until, "the engine has not written its snapshots"
        time.sleep(_LOOK_EVERY_FOR)


def _marked(settings: Settings, number: int) -> int | None:
    """The frame at which the last round of snapshots of a partition began; None: none has ended, or one is under way."""
    consumer = clients.reader(settings)
    try:
        topic = settings.topic("snapshots")
        _, high = clients.watermarks(consumer, TopicPartition(topic, number))
        if not high:
            return None
        consumer.assign([TopicPartition(topic, number, high - 1)])
        message = consumer.poll(5.0)
        if message is None or message.error() is not None:
            return None
        name, record = wire().decode_plain(message.value())
        return ChainPosition.from_json(record["position"]).offset if name == MARK else None
    finally:
        consumer.close()
