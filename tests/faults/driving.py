"""What these tests drive: processes that can be killed and stopped, traffic that retries, and what the log says in the end.

Processes are forked from a server that has imported everything already, so that one is there in milliseconds; each is a
real process with clients of its own.
"""

import contextlib
import ctypes
import faulthandler
import hashlib
import importlib
import itertools
import logging
import multiprocessing
import os
import pkgutil
import random
import signal
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from confluent_kafka import Consumer, Message, TopicPartition
from tests import standing_still

from entitlements.domain import commands
from entitlements.domain.commands import Command
from entitlements.domain.values import Rule
from entitlements.errors import OutcomeUnknown
from entitlements.ledger import clients, topics
from entitlements.ledger.caller import Caller, Outcome, new_id
from entitlements.ledger.partitioning import partition_of
from entitlements.settings import Settings
from entitlements_schemas import Wire

PARTITIONS = 3
#: The least a broker allows by our settings: an engine that is gone is missed soon.
SESSION_FOR = 1.0
METERING = {"UsageRecorded", "UsageRefused", "UsageReleased"}
WIRE = Wire()

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(["entitlements.ledger.engine", "entitlements.ledger.publisher"])
_numbers = itertools.count(1)
_LOGS = Path(os.environ.get("PYTEST_TMPDIR", "/tmp")) / f"entitlements-faults-{os.getpid()}"


def settings_for(kafka: str, prefix: str, **more: Any) -> Settings:
    """Settings of one test, with its topics created."""
    few: dict[str, Any] = {"partitions": PARTITIONS, "session_timeout_for": SESSION_FOR, "answer_timeout_for": 20.0}
    settings = Settings(kafka=kafka, topic_prefix=prefix, **(few | more))
    topics.create_topics(settings)
    return settings


# --- Processes ---------------------------------------------------------------------------------------------------------


def eventually(holds: Callable[[], Any], within: float = 20.0, every: float = 0.02) -> Any:
    """Wait until something holds, and give it. Raises AssertionError when it does not within so many seconds."""
    until = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < until, f"not within {within} s: {holds}"
        time.sleep(every)
    return found


def patch(name: str, value: Any) -> Any:
    """Set an attribute by its dotted name, such as "entitlements.ledger.snapshots.SLICE_FOR"; gives what it was."""
    holder, _, attribute = name.rpartition(".")
    owner = pkgutil.resolve_name(holder)
    before = getattr(owner, attribute)
    setattr(owner, attribute, value)
    return before


def _main(role: str, settings: Settings, patches: Mapping[str, Any], prepare: Callable[[], object], log: str) -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: never outlive the tests.
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(out, 1)
    os.dup2(out, 2)
    faulthandler.enable()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    for name, value in patches.items():
        patch(name, value)
    prepare()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    importlib.import_module(role).run(settings, stopping)


class Running:
    """A process of ours: `role` is the module whose run(settings, stopping) it runs.

    `patches` set attributes by dotted name, `prepare` is called before it runs; both in that process only.
    """

    def __init__(
        self,
        role: str,
        settings: Settings,
        patches: Mapping[str, Any] | None = None,
        prepare: Callable[[], object] = time.monotonic,
    ) -> None:
        number = next(_numbers)
        _LOGS.mkdir(exist_ok=True)
        self._log = _LOGS / f"{number}-{role.rpartition('.')[2]}.log"
        arguments = (role, settings, dict(patches or {}), prepare, str(self._log))
        self._process = _processes.Process(target=_main, args=arguments, daemon=True)
        self._process.start()
        assert self._process.pid is not None
        self.pid: int = self._process.pid

    @property
    def said(self) -> str:
        """What it wrote so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    @property
    def is_running(self) -> bool:
        return self._process.is_alive()

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.join(10)

    def pause(self) -> None:
        """SIGSTOP."""
        standing_still.stop(self.pid)

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self, within: float = 15.0) -> int | None:
        """SIGTERM; the exit code."""
        if self._process.is_alive():
            os.kill(self.pid, signal.SIGTERM)
        return self.ended(within)

    def ended(self, within: float = 15.0) -> int | None:
        """Wait for its end; the exit code, None: it runs still."""
        self._process.join(within)
        return self._process.exitcode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.resume()
        self.stop(10)
        self.kill()


def engine(settings: Settings, patches: Mapping[str, Any] | None = None, **more: Any) -> Running:
    return Running("entitlements.ledger.engine", settings, patches, **more)


def publisher(settings: Settings, patches: Mapping[str, Any] | None = None, **more: Any) -> Running:
    return Running("entitlements.ledger.publisher", settings, patches, **more)


@contextmanager
def in_background(*work: Callable[[], None]) -> Iterator[list[threading.Thread]]:
    """Run functions in threads; their errors are raised at the end."""
    failures: list[BaseException] = []

    def guarded(one: Callable[[], None]) -> None:
        try:
            one()
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(one,), daemon=True) for one in work]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        for thread in threads:
            thread.join(100)
    if failures:
        raise failures[0]
    assert not any(thread.is_alive() for thread in threads)


def projector(settings: Settings, patches: Mapping[str, Any] | None = None, **more: Any) -> Running:
    return Running("entitlements_projections.projector", settings, patches, **more)


class OfAnotherGroup(Settings):
    """The settings of somebody who starts a second installation on the same topics by mistake."""

    def group(self, name: str) -> str:
        return super().group(f"{name}-by-mistake")


def of_another_group(settings: Settings) -> Settings:
    return OfAnotherGroup(**settings.model_dump())


def stop_itself(method: str, at_call: int) -> None:
    """Let the process stop itself (SIGSTOP) just before a call of a method: the worst moment, every time."""
    calls = itertools.count(1)
    real: Any = None

    def stopping(*arguments: Any, **more: Any) -> Any:
        if next(calls) == at_call:
            os.kill(os.getpid(), signal.SIGSTOP)
        return real(*arguments, **more)

    real = patch(method, stopping)


def is_stopped(process: Running) -> bool:
    """Whether a process has been stopped (SIGSTOP)."""
    return standing_still.is_stopped(process.pid)


# --- Commands ----------------------------------------------------------------------------------------------------------


def quota(amount: int | None, key: str = "api_calls", **more: Any) -> Rule:
    """A quota of a month: no test runs into its end but those of one night a month."""
    return Rule(
        **({"resource_key": key, "rule_type": "quota", "amount": amount, "period": "month", "stacking": "sum"} | more)
    )


def line(quantity: int = 1, *, usage_id: str = "", key: str = "api_calls", mode: str = "strict") -> Any:
    return {
        "resource_key": key,
        "quantity": quantity,
        "mode": mode,
        "occurred_at": 0,
        "workspace_id": "",
        "usage_id": usage_id,
    }


def open_pool(pool_id: str, **more: Any) -> commands.OpenPool:
    fields: dict[str, Any] = {"organization_id": "o", "idempotency_key": f"open-{pool_id}"}
    return commands.OpenPool(command_id=new_id(), pool_id=pool_id, **(fields | more))


def provision(pool_id: str, *rules: Rule, provision_id: str = "base", **more: Any) -> commands.ProvisionPool:
    fields: dict[str, Any] = {"source": "subscription", "set_id": "base", "set_version": 1, "rules": list(rules)}
    fields["idempotency_key"] = f"provision-{pool_id}-{provision_id}"
    return commands.ProvisionPool(command_id=new_id(), pool_id=pool_id, provision_id=provision_id, **(fields | more))


def use(pool_id: str, *lines: Any) -> commands.RecordUsage:
    return commands.RecordUsage(command_id=new_id(), pool_id=pool_id, lines=list(lines))


def pools_on(partition: int, partitions: int = PARTITIONS, prefix: str = "p") -> Iterator[str]:
    """Ids of pools that live on a partition, without end."""
    return (pool for n in itertools.count() if partition_of(pool := f"{prefix}{n}", partitions) == partition)


def insist(caller: Caller, command: Command, within: float = 60.0) -> Outcome:
    """Retry a command, the same one, until its outcome is known."""
    until = time.monotonic() + within
    while True:
        try:
            return caller.call(command)
        except OutcomeUnknown:
            assert time.monotonic() < until, f"no outcome within {within} s: {command}"


@dataclass
class Traffic:
    """Strict usage against small quotas, pool after pool, retried with the same ids until its outcome is known.

    What was offered is counted here and nowhere else: what a pool may record is min(quota, offered).
    """

    settings: Settings
    quota: int = 20
    pause_for: float = 0.004
    threads: int = 4
    prefix: str = "p"
    stopping: threading.Event = field(default_factory=threading.Event)
    offered: Counter[str] = field(default_factory=Counter)
    accepted: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    unknown: int = 0
    _threads: list[threading.Thread] = field(default_factory=list)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Let it flow while the block runs; what was begun then is ended."""
        with Caller(self.settings) as caller:
            work = [lambda n=n: self._work(caller, n) for n in range(self.threads)]
            with in_background(*work) as self._threads:
                try:
                    yield
                finally:
                    self.stopping.set()

    def end(self) -> None:
        """Stop it and wait for what was begun."""
        self.stopping.set()
        for thread in self._threads:
            thread.join(60)

    def go_on(self, lines: int, within: float = 20.0) -> None:
        """Wait until so many more lines are accepted."""
        wanted = len(self.accepted) + lines
        eventually(lambda: len(self.accepted) >= wanted, within)

    def _work(self, caller: Caller, worker: int) -> None:
        generator = random.Random(worker)
        for number in itertools.count():
            if self.stopping.is_set():
                return
            pool = f"{self.prefix}{worker}-{number}"
            for command in (open_pool(pool), provision(pool, quota(self.quota))):
                assert self._insist(caller, command).is_accepted
            while self.offered[pool] < self.quota * 1.3 and not self.stopping.is_set():
                ids = [f"{pool}-{self.offered[pool] + n}" for n in range(generator.randint(1, 4))]
                self.offered[pool] += len(ids)
                outcome = self._insist(caller, use(pool, *(line(usage_id=usage_id) for usage_id in ids)))
                refused = {ids[one.index] for one in outcome.refused_lines}
                assert outcome.accepted_lines == len(ids) - len(refused)
                self.refused |= refused
                self.accepted |= set(ids) - refused
                time.sleep(self.pause_for)

    def _insist(self, caller: Caller, command: Command) -> Outcome:
        for _ in range(60):
            try:
                return caller.call(command)
            except OutcomeUnknown:
                self.unknown += 1
        raise AssertionError(f"no outcome of {command}")

    def check(self, truth: "Truth") -> None:
        """Totals in the ledger are those counted here; nothing is there twice; what was heard is what is there."""
        assert {pool: truth.totals[pool, "api_calls"] for pool in self.offered if truth.totals[pool, "api_calls"]} == {
            pool: min(self.quota, offered) for pool, offered in self.offered.items() if offered
        }
        repeated = [usage_id for usage_id, times in Counter(truth.usage_ids).items() if times > 1]
        assert not repeated, "recorded twice"
        assert set(truth.usage_ids) == self.accepted
        assert not self.accepted & self.refused


# --- What the log says -------------------------------------------------------------------------------------------------


def read_all(settings: Settings, topic: str) -> dict[int, list[Message]]:
    """Every record of a topic by partition, up to its end now."""
    consumer = Consumer(
        {
            "bootstrap.servers": settings.kafka,
            "group.id": "nobody",
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
            "fetch.message.max.bytes": 16 * 1024 * 1024,
        }
    )
    name = settings.topic(topic)
    partitions = consumer.list_topics(name, timeout=10).topics[name].partitions
    consumer.assign([TopicPartition(name, partition, 0) for partition in partitions])
    found: dict[int, list[Message]] = {partition: [] for partition in partitions}
    ended: set[int] = set()
    until = time.monotonic() + 30
    while len(ended) < len(found):
        assert time.monotonic() < until, "the topic cannot be read"
        for message in consumer.consume(5000, 0.1):
            error: Any = message.error()
            if error is None:
                found[message.partition()].append(message)  # type: ignore[index]
            elif error.name() == "_PARTITION_EOF":
                ended.add(message.partition())  # type: ignore[arg-type]
    consumer.close()
    return found


class Event(NamedTuple):
    """An event of the ledger and its place: the frame's offset and the event's index in it."""

    offset: int
    index: int
    name: str
    record: dict[str, Any]


@dataclass
class Truth:
    """What the ledger says, read without any of the ledger's own classes."""

    events: dict[int, list[Event]] = field(default_factory=lambda: defaultdict(list))
    rivals: int = 0
    frames: int = 0
    engines: set[str] = field(default_factory=set)
    #: (pool, key): consumed of the newest period, added up from lines.
    totals: Counter[tuple[str, str]] = field(default_factory=Counter)
    #: (pool, key): what the events themselves say is consumed.
    stated: dict[tuple[str, str], int] = field(default_factory=dict)
    usage_ids: list[str] = field(default_factory=list)
    commands: dict[int, int] = field(default_factory=dict)

    def names(self, pool_id: str) -> list[str]:
        """The names of a pool's events, oldest first."""
        events = (event for of_partition in self.events.values() for event in of_partition)
        return [event.name for event in events if event.record["originator_id"] == pool_id]


def read_ledger(settings: Settings, *, adds_up: bool = True) -> Truth:
    """Walk the chain by hand: of the records that hang on the last valid frame the first is valid.

    adds_up: nothing but lines and resets changes what is consumed, so that the sums of the lines are what the events state.
    """
    truth = Truth()
    for partition, messages in read_all(settings, "ledger").items():
        last, last_hash, last_command = -1, bytes(32), None
        for message in messages:
            value, headers = message.value(), dict(clients.headers_of(message))
            if value is None or "frame_sha256" not in headers:
                continue
            digest = hashlib.sha256(value).digest()
            assert headers["frame_sha256"] == digest
            frame = WIRE.decode_plain(value).record
            if (frame["previous_offset"], frame["previous_hash"]) != (last, last_hash):
                truth.rivals += 1
                continue
            assert last_command is None or frame["first_command"] == last_command + 1, "commands are missing"
            last, last_hash, last_command = message.offset(), digest, frame["last_command"]
            truth.frames += 1
            truth.engines.add(frame["engine"])
            for index, (name, record) in enumerate(frame["events"]):
                _count(truth, Event(message.offset(), index, name.rpartition(".")[2], record), partition)
        truth.commands[partition] = -1 if last_command is None else last_command
    for address, stated in truth.stated.items() if adds_up else ():
        assert truth.totals[address] == stated, f"{address} does not add up"
    return truth


def _count(truth: Truth, event: Event, partition: int) -> None:
    truth.events[partition].append(event)
    pool_id, record = event.record["originator_id"], event.record
    if event.name == "UsageRecorded":
        for one in record["lines"]:
            if not one["late"]:
                truth.totals[pool_id, one["resource_key"]] += one["quantity"]
            if one["usage_id"]:
                truth.usage_ids.append(one["usage_id"])
        for total in record["totals"]:
            truth.stated[pool_id, total["resource_key"]] = total["consumed"]
    elif event.name == "QuotaReset":
        truth.totals[pool_id, record["resource_key"]] = 0
        truth.stated[pool_id, record["resource_key"]] = 0


def published(settings: Settings, topic: str) -> dict[int, list[Event]]:
    """What the publisher wrote, by partition, as it stands there: repeats included."""
    found: dict[int, list[Event]] = {}
    for partition, messages in read_all(settings, topic).items():
        found[partition] = []
        for message in messages:
            headers: Any = dict(message.headers() or ())
            assert int(headers["ledger_partition"]) == partition
            name, record = WIRE.decode_plain(message.value())
            place = int(headers["ledger_offset"]), int(headers["ledger_index"])
            found[partition].append(Event(*place, name.rpartition(".")[2], record))
    return found


def without_repeats(events: Sequence[Event]) -> list[Event]:
    """What a reader keeps that drops whatever is not after what it has."""
    kept: list[Event] = []
    for event in events:
        if not kept or (event.offset, event.index) > (kept[-1].offset, kept[-1].index):
            kept.append(event)
    return kept


def outcomes_of(settings: Settings) -> dict[str, list[dict[str, Any]]]:
    """Every result that was ever sent, by command."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for messages in read_all(settings, "outcomes").values():
        for message in messages:
            for result in WIRE.decode_plain(message.value()).record["results"]:
                found[result["command_id"]].append(result)
    return found


def quarantined(settings: Settings) -> list[dict[str, Any]]:
    """What is in quarantine."""
    return [WIRE.decode_plain(m.value()).record for m in read_all(settings, "quarantine")[0]]


def end_of(settings: Settings, topic: str, partition: int) -> int:
    """The offset after the newest record."""
    consumer = clients.reader(settings)
    try:
        return clients.watermarks(consumer, TopicPartition(settings.topic(topic), partition))[1]
    finally:
        consumer.close()
