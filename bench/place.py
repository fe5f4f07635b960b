"""Where it is measured: one local stack, fresh topics for each benchmark, real processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException, TopicPartition

from entitlements.ledger import clients, topics
from entitlements.local import LocalStack
from entitlements.settings import Settings

#: On the disk of the repository: a temporary folder may be in memory, where an fsync costs nothing.
FOLDER: Final = Path(__file__).parent.parent / ".entitlements" / "bench"
STOP_FOR_MAX: Final = 30.0
COORDINATED_FOR_MAX: Final = 30.0

#: Hears how much of the current step is done, 0 to 1.
Progress = Callable[[float], None]


@dataclass
class Place:
    """The servers, and what the benchmarks share. `scale` 1 is the whole size; less is quick and less exact."""

    stack: LocalStack
    scale: float
    rounds: int
    say: Callable[[str], None]
    progress: Progress
    #: Prints a line that stays, also in a file.
    tell: Callable[[str], None] = print
    #: Sizes too that take many minutes.
    full: bool = False
    #: A word on a figure, such as which number of workers was best.
    notes: dict[str, str] = field(default_factory=dict)
    #: Installations whose ledger others may read on.
    ledgers: dict[str, Settings] = field(default_factory=dict)

    def installation(self, name: str, partitions: int | None = None) -> Settings:
        """Settings of an installation of its own, its topics created."""
        settings = Settings(kafka=self.stack.kafka, postgres=self.stack.postgres, topic_prefix=f"{name}.")
        if partitions is not None:
            settings = settings.model_copy(update={"partitions": partitions})
        topics.create_topics(settings)
        return settings

    def sized(self, whole: int) -> int:
        """A number of commands or lines at this scale."""
        return max(1, int(whole * self.scale))


@contextmanager
def a_stack() -> Iterator[LocalStack]:
    """Start both servers with their production settings, from nothing; nothing is left at the end."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        with LocalStack(FOLDER) as stack:
            yield stack
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


@contextmanager
def a_process(settings: Settings, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m bench.process ...` set up as in production, by its environment. It ends when we do."""
    variables = {f"ENTITLEMENTS_{name.upper()}": str(value) for name, value in settings if value is not None}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.process", *arguments],
        stdin=subprocess.PIPE,
        env=os.environ | variables,
        cwd=Path(__file__).parent.parent,
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(STOP_FOR_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdin is not None
        process.stdin.close()


def ends(settings: Settings, topic: str) -> dict[int, int]:
    """The offset after the newest record of every partition of a topic."""
    consumer = clients.reader(settings)
    try:
        at = [TopicPartition(settings.topic(topic), number) for number in range(settings.partitions)]
        return {each.partition: clients.watermarks(consumer, each)[1] for each in at}
    finally:
        consumer.close()


def decided(settings: Settings) -> dict[int, int]:
    """The command after the last one decided, by partition, as the engine tells its group once a second."""
    consumer = clients.member(settings, "engine")
    try:
        at = [TopicPartition(settings.topic("commands"), number) for number in range(settings.partitions)]
        until = time.monotonic() + COORDINATED_FOR_MAX
        while True:
            try:
                return {each.partition: max(each.offset, 0) for each in consumer.committed(at, timeout=10)}
            except KafkaException:  # A broker that has just started may not know yet who coordinates the group.
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
    finally:
        consumer.close()
