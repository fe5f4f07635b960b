"""Where Faust's own Kafka driver is not safe enough, and what we do instead. Written against faust-streaming 0.15.3.

- It counts a record as handled whenever its stream lets go of it: also when an agent raised, was cancelled, or skipped
  the record in the middle of a rebalance. Here only what the lanes say they have handled is committed.
- Its at-least-once producer is not idempotent: after a batch that could not be written a later one still can.
- After partitions changed hands it may go on where it was, or drop what it fetched meanwhile: records are skipped. Here it goes
  where the lanes want to go on, and a lane that is given a later record makes it go back.
- It gives up partitions without waiting for what is being handled. Here lanes finish, offsets are committed, then they go.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

if TYPE_CHECKING:
    from entitlements.changes.lane import Lane

FETCH_WAIT_MS_MAX: Final = 100
#: By topic and partition the next offset, with everything before it handled.
Committable = Callable[[], Mapping[tuple[str, int], int]]


class _Forgets(dict[Any, Any]):
    """Where Faust notes how far it has read, and drops what lies before. The lanes know better."""

    def __getitem__(self, key: Any) -> None:
        return None

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def update(self, *_: Any, **__: Any) -> None:
        pass


class _ConsumerThread(driver.AIOKafkaConsumerThread):
    """Waits for new records less long at a time: a request that is under way when partitions come holds up theirs."""

    def _create_worker_consumer(self, transport: driver.Transport) -> Any:
        consumer = super()._create_worker_consumer(transport)
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS_MAX  # noqa: SLF001  (Faust's 1,500 is not a setting.)
        return consumer


class Consumer(driver.Consumer):
    """Commits what the lanes have handled, nothing else."""

    app: App

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _Forgets()

    def ack(self, message: Any) -> bool:
        """Faust's opinion of what is handled is not asked for."""
        del message
        return False

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        del topics
        return iter([TP(*place) for place in self.app.committable()])

    def _filter_committable_offsets(self, tps: Iterable[TP]) -> dict[TP, int]:
        handled = self.app.committable()
        found: dict[TP, int] = {}
        for tp in tps:
            offset = handled.get((tp.topic, tp.partition), 0)
            if offset > (self._committed_offset[tp] or 0):
                found[tp] = offset
        return found

    def _new_consumer_thread(self) -> _ConsumerThread:
        return _ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def perform_seek(self) -> None:
        """Go on exactly where the lanes want to. Faust stays where it is when nothing is committed yet."""
        await super().perform_seek()
        if places := self.app.committable():
            await self.seek_wait({TP(*place): offset for place, offset in places.items()})

    async def go_to(self, topic: str, partition: int, offset: int) -> None:
        """The next record of this partition is to be this one."""
        await self.seek_wait({TP(topic, partition): offset})

    def end_of(self, topic: str, partition: int) -> int:
        """The end of a partition as the last fetch told it; 0: not known."""
        try:
            return self.highwater(TP(topic, partition)) or 0
        except Exception:  # noqa: BLE001  (Not ours at this moment.)
            return 0

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish, commit, and only then let go."""
        await self.app.let_go(self.commit)
        await super().on_partitions_revoked(revoked)


class Producer(driver.Producer):
    """Idempotent: whatever is written to a partition is written in order and without holes, or not at all."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class Transport(driver.Transport):
    """Faust's Kafka driver with the two parts above."""

    Consumer: ClassVar[type[Consumer]] = Consumer
    Producer: ClassVar[type[Producer]] = Producer


class App(faust.App):
    """A Faust app that asks our lanes what is handled, and ends when anything in it breaks."""

    #: Set by app.py before the start.
    lanes: list[Lane]
    committable: Committable
    let_go: Callable[[Callable[[], Awaitable[Any]]], Awaitable[None]]
    broken: Callable[[BaseException], None]

    @property
    def reader(self) -> Consumer:
        """Our consumer."""
        return cast("Consumer", self.consumer)

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def _new_producer_transport(self) -> Transport:
        return Transport(self.conf.broker_producer, self)

    def _create_directories(self) -> None:
        """Nothing is kept on disk."""

    async def crash(self, reason: BaseException) -> None:
        """Faust would go on in part; nothing may be written after something is missing."""
        self.broken(reason)
        await super().crash(reason)
