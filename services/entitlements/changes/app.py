"""The Faust app and its start: two agents, one for each step, in one consumer group.

A worker never repairs itself: whatever breaks ends the process with status 75, and a supervisor starts it again. What a
crash may lose or repeat is told in lane.py.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from entitlements.changes import topics
from entitlements.changes.lane import Broken, Lane
from entitlements.changes.quiet import set_up_logging
from entitlements.changes.records import Outgoing, Quarantine
from entitlements.changes.steps import Pools, Workspaces
from entitlements.changes.tables import Kafka, Rows
from entitlements.changes.watchdog import Look, Standstill, Watchdog
from entitlements.errors import EntitlementsError, ServerIsAway, SettingIsWrong
from entitlements.registry import wire_for
from entitlements.settings import FRAME_BYTES_MAX, Settings

if TYPE_CHECKING:
    from entitlements.changes.driver import App
    from entitlements_schemas import Wire

log = logging.getLogger(__name__)

#: Start me again (EX_TEMPFAIL).
EXIT_BROKEN: Final = 75
#: Records handled together: those that came while the ones before were written, and within so many seconds of the first.
BATCH_RECORDS_MAX: Final = 1_000
BATCH_WITHIN_FOR: Final = 0.002
#: Seconds without a heartbeat after which the group gives our partitions to others; so long they stand still when we are
#: killed. Brokers allow 6 or more, unless set up otherwise.
SESSION_FOR: Final = 6.0
#: Seconds without a record where records are, after which we ask for them again, and seconds that asking may take.
LATE_FOR: Final = 3.0
GO_TO_FOR_MAX: Final = 3.0
#: Seconds for an orderly end. What is left then is repeated by the next worker.
STOP_FOR_MAX: Final = 2.0
_TRY_AGAIN_EVERY: Final = 1.0


def make_app(
    settings: Settings, wire: Wire, *, broken: Callable[[BaseException], None], session_for: float = SESSION_FOR
) -> App:
    """The app, ready to start. Call it inside the event loop that it is to run in. broken: something is beyond repair.

    Raises ServerIsAway.
    """
    from entitlements.changes.driver import App

    app = App(settings.group("changes"), **_faust_settings(settings, session_for))
    kafka = Kafka(settings, settings.group("changes"))
    quarantine = Quarantine(settings, wire, topics.record_bytes_max(settings, "quarantine"))

    async def write(record: Outgoing) -> Awaitable[Any]:
        sent: Awaitable[Any] = await app.producer.send(
            record.topic, record.key, record.value, record.partition, time.time(), record.headers
        )
        return sent

    async def go_to(topic: str, partition: int, offset: int) -> None:
        try:
            async with asyncio.timeout(GO_TO_FOR_MAX):
                await app.reader.go_to(topic, partition, offset)
        except Exception as error:  # noqa: BLE001  (In the middle of a rebalance. It is asked for again.)
            log.debug("%s/%d: cannot seek to %d now: %r", topic, partition, offset, error)

    lanes = [
        Lane(
            step=step,
            rows=Rows(step.rows_topic),
            kafka=kafka,
            quarantine=quarantine,
            write=write,
            go_to=go_to,
            turn_for=session_for,
        )
        for step in (Pools(settings, wire), Workspaces(settings, wire))
    ]
    for lane in lanes:
        _add_agent(app, lane, broken)
    _follow_the_partitions(app, lanes, broken)
    app.lanes = lanes
    return app


def _faust_settings(settings: Settings, session_for: float) -> dict[str, Any]:
    """Every setting that matters, said aloud. Raises SettingIsWrong."""
    from entitlements.changes.credentials import credentials_of

    return {
        "broker": [f"kafka://{server.strip()}" for server in settings.kafka.split(",")],
        "broker_credentials": credentials_of(settings),
        "autodiscover": False,
        "web_enabled": False,
        "processing_guarantee": "at_least_once",  # Its exactly_once picks the transaction by the output's partition.
        "store": "memory://",  # Of no use: tables.py says why there are no tables of Faust's.
        "table_standby_replicas": 0,  # Else Faust's own assignor, made for its tables, would share out the partitions.
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "stream_wait_empty": False,  # driver.py waits for the lanes instead.
        "stream_recovery_delay": 0.0,
        "stream_buffer_maxsize": 4 * BATCH_RECORDS_MAX,
        "broker_session_timeout": session_for,
        "broker_heartbeat_interval": session_for / 4,
        "broker_rebalance_timeout": 2 * session_for,
        "broker_request_timeout": 30.0,
        "broker_commit_interval": 1.0,
        "broker_max_poll_records": 2 * BATCH_RECORDS_MAX,
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": 4 * 1024 * 1024,
        "producer_acks": -1,
        "producer_linger": 0.002,
        "producer_max_request_size": FRAME_BYTES_MAX,
        "producer_request_timeout": 30.0,
    }


def _add_agent(app: App, lane: Lane, broken: Callable[[BaseException], None]) -> None:
    topic = app.topic(
        lane.step.topic,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        allow_empty=True,  # Else a record without a value would vanish.
    )

    async def agent(stream: Any) -> None:
        # Faust's take() looks every so often, whether something came or not: 20 ms of each record's way through a lane.
        read: asyncio.Queue[tuple[Any, int]] = asyncio.Queue(BATCH_RECORDS_MAX)
        working = asyncio.create_task(work(read))
        try:
            async for event in stream.events():
                await read.put((event.message, event.message.generation_id))
        finally:
            working.cancel()

    async def work(read: asyncio.Queue[tuple[Any, int]]) -> None:
        while True:
            batch = [await read.get()]
            await asyncio.sleep(BATCH_WITHIN_FOR)
            while len(batch) < BATCH_RECORDS_MAX and not read.empty():
                batch.append(read.get_nowait())
            try:
                await lane.work(batch)
            except Exception as error:  # noqa: BLE001  (Faust would count the batch as handled and go on.)
                broken(error)

    app.agent(topic, name=f"entitlements.changes.{lane.step.name}", concurrency=1)(agent)


def _follow_the_partitions(app: App, lanes: list[Lane], broken: Callable[[BaseException], None]) -> None:
    def committable() -> dict[tuple[str, int], int]:
        return {place: offset for lane in lanes for place, offset in lane.committable().items()}

    turns = 0

    async def let_go(commit: Callable[[], Awaitable[Any]]) -> None:
        nonlocal turns
        turns += 1
        try:
            await asyncio.gather(*[lane.finish() for lane in lanes])
            await commit()
            for lane in lanes:
                lane.end()
        except Exception as error:  # noqa: BLE001
            broken(error)

    async def take_over(*_: Any, **__: Any) -> None:
        try:
            turn, generation, assigned = turns, app.consumer_generation_id, app.consumer.assignment()
            for lane in lanes:
                ours = {tp.partition for tp in assigned if tp.topic == lane.step.topic}
                await lane.begin(ours, generation, still=lambda: turn == turns)
                log.info("%s: processing partitions %s", lane.step.topic, sorted(ours))
        except Exception as error:  # noqa: BLE001
            broken(error)

    app.committable = committable
    app.let_go = let_go
    app.broken = broken
    app.on_rebalance_complete.connect(take_over, weak=False)


def run(settings: Settings, stopping: threading.Event | None = None, *, session_for: float = SESSION_FOR) -> int:
    """Work until SIGTERM, Ctrl-C or `stopping`; the process's exit status. Whatever breaks ends the process with 75.

    Raises SettingIsWrong.

    session_for: seconds without a heartbeat after which others get our partitions.
    """
    set_up_logging()
    stopping = stopping or threading.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
    _wait_for_topics(settings, stopping)
    if not stopping.is_set():
        try:
            asyncio.run(_serve(settings, stopping, session_for))
        except SettingIsWrong:
            raise
        except Exception as error:  # noqa: BLE001
            die(error)
    return 0


def _wait_for_topics(settings: Settings, stopping: threading.Event) -> None:
    said = ""
    while not stopping.is_set():
        try:
            topics.create_topics(settings)
            topics.require_topics(settings)
        except ServerIsAway as error:
            if str(error) != said:
                said = str(error)
                log.warning("Waiting: %s", said)
            stopping.wait(_TRY_AGAIN_EVERY)
        else:
            return


async def _serve(settings: Settings, stopping: threading.Event, session_for: float) -> None:
    app = make_app(settings, wire_for(settings), broken=die, session_for=session_for)
    await app.start()
    watchdog = _watch(settings, app)
    moving = asyncio.create_task(_keep_moving(app))
    await _until(stopping, session_for)
    moving.cancel()
    watchdog.stop()
    try:
        async with asyncio.timeout(STOP_FOR_MAX):
            await app.let_go(app.consumer.commit)
            await app.stop()
    except TimeoutError:
        log.warning("Shutdown took longer than %.0f s; the next worker repeats uncommitted records.", STOP_FOR_MAX)
        _exit(0)


async def _keep_moving(app: App) -> None:
    """Faust may drop records that it fetched in the middle of a rebalance, and wait for others for ever."""
    standstill = Standstill(LATE_FOR)
    handled = 0
    while True:
        await asyncio.sleep(LATE_FOR / 3)
        if handled != (handled := sum(lane.handled for lane in app.lanes)):
            standstill.forget()  # There is enough to do; one partition may wait for another.
        looks = {place: Look(offset, 0, app.reader.end_of(*place)) for place, offset in app.committable().items()}
        late = standstill.see(looks, time.monotonic())
        for lane in app.lanes:
            asked = {place[1]: looks[place].committed for place in late if place[0] == lane.step.topic}
            if asked:
                log.debug("%s: no records from %s", lane.step.topic, asked)
                await lane.ask_for_what_is_late(asked)
                standstill.forget()


async def _until(stopping: threading.Event, session_for: float) -> None:
    """Until stopping is set, also from other threads and signal handlers. A process that slept longer than its session ends.

    Its partitions are somebody else's by now, and Faust's consumer does not always find its way back.
    """
    looked_at = time.monotonic()
    while not stopping.is_set():
        await asyncio.sleep(0.1)
        slept_for = time.monotonic() - looked_at
        if slept_for > session_for:
            die(Broken(f"Nothing moved for {slept_for:.1f} s: the process was stopped, or starved."))
        looked_at = time.monotonic()


def _watch(settings: Settings, app: App) -> Watchdog:
    inputs = {lane.step.topic for lane in app.lanes}
    watchdog = Watchdog(
        kafka=Kafka(settings, settings.group("changes")),
        everything=[(topic, partition) for topic in inputs for partition in range(settings.partitions)],
        ours=lambda: set(app.committable()),
        bite=lambda sentence: die(Broken(sentence)),
    )
    watchdog.start()
    return watchdog


def die(reason: BaseException) -> None:
    """End the process at once, from any thread: what is not written and committed is repeated by the next worker."""
    explained = isinstance(reason, (Broken, EntitlementsError))
    log.critical(
        "Exiting to restart: %s", reason if explained else repr(reason), exc_info=None if explained else reason
    )
    _exit(EXIT_BROKEN)


def _exit(status: int) -> None:
    logging.shutdown()
    os._exit(status)
