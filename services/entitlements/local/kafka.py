"""One real Kafka broker (KRaft, broker and controller in one process) in one folder."""

import base64
import shutil
import signal
import socket
import struct
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from entitlements.local import jars
from entitlements.local.folder import HOST, accepts_connections
from entitlements.local.server import LocalServer

NODE_ID: Final = 1
# A ledger frame of 16 MiB, with its record's own overhead.
MESSAGE_BYTES_MAX: Final = 17 * 1024 * 1024
HEAP_BYTES_MAX: Final = "1g"
PROBE_SECONDS_MAX: Final = 1.0

# The same for every broker we start, in a container too.
SETTINGS: Final[Mapping[str, object]] = {
    "process.roles": "broker,controller",
    "node.id": NODE_ID,
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
    # A mistyped name is an error, not a new topic with one partition.
    "auto.create.topics.enable": "false",
    "message.max.bytes": MESSAGE_BYTES_MAX,
    "replica.fetch.max.bytes": MESSAGE_BYTES_MAX,
    # One node.
    "default.replication.factor": 1,
    "min.insync.replicas": 1,
    "offsets.topic.replication.factor": 1,
    "offsets.topic.num.partitions": 4,
    "transaction.state.log.replication.factor": 1,
    "transaction.state.log.min.isr": 1,
    "transaction.state.log.num.partitions": 1,
    "share.coordinator.state.topic.replication.factor": 1,
    "share.coordinator.state.topic.min.isr": 1,
    "share.coordinator.state.topic.num.partitions": 1,
    # A consumer group begins at once, and may notice a dead member soon.
    "group.initial.rebalance.delay.ms": 0,
    "group.min.session.timeout.ms": 1_000,
    # After a SIGKILL the broker may register again when its old session is over; the default is 9 s.
    "broker.heartbeat.interval.ms": 500,
    "broker.session.timeout.ms": 3_000,
    # Sized for one machine of 2 cores: more threads only wait for each other.
    "num.network.threads": 1,
    "num.io.threads": 2,
    "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,
}


class LocalKafka(LocalServer):
    """A Kafka broker in a folder. Its data survive stop(), kill() and restart().

    Example:
        with LocalKafka(".entitlements/kafka") as kafka:
            Producer({"bootstrap.servers": kafka.bootstrap})
    """

    name = "Kafka"
    port_option = "--kafka-port"
    stop_signal = signal.SIGTERM

    def __init__(
        self,
        folder: Path | str,
        *,
        fast: bool = False,
        settings: Mapping[str, object] | None = None,
        more_listeners: Mapping[str, tuple[int, str]] | None = None,
        jvm_flags: tuple[str, ...] = (),
        home: Path | None = None,
        port: int | None = None,
    ) -> None:
        """Describe a broker; nothing runs yet. fast: for tests, which end before it is warm.

        settings: broker properties beside or instead of ours. more_listeners: port and security protocol of further listeners,
        by name. home: where Kafka is installed, if not the usual place. port: see LocalServer.
        """
        super().__init__(folder, port=port)
        self._more_settings = dict(settings or {})
        self._more_listeners = dict(more_listeners or {})
        self._more_flags = (*(jars.FAST_JVM_FLAGS if fast else ()), *jvm_flags)
        self._home = home

    @property
    def bootstrap(self) -> str:
        """The address for clients, "127.0.0.1:port"."""
        return f"{HOST}:{self.port}"

    def _ports(self) -> tuple[str, ...]:
        return ("port", "controller_port")

    def _prepare(self) -> None:
        self._home = self._home or jars.kafka_home()
        data, properties = self.folder / "data", self.folder / "server.properties"
        state = self._folder.state()
        if not (data / "meta.properties").exists():
            data.mkdir(exist_ok=True)
            shutil.copyfile(self._home / jars.SNAPSHOT, data / jars.SNAPSHOT)
            # What `kafka-storage format` writes. It comes last: a folder with it is a formatted one.
            identity = {"version": 1, "cluster.id": some_uuid(), "node.id": NODE_ID, "directory.id": some_uuid()}
            (data / "meta.new").write_text(render(identity))
            (data / "meta.new").replace(data / "meta.properties")
        settings = broker_settings(port=state["port"], controller_port=state["controller_port"], data=data)
        properties.write_text(render(with_listeners(settings, self._more_listeners) | self._more_settings))
        # Kafka unpacks native libraries there; after a crash they would stay in the machine's temporary folder.
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)
        (self.folder / "tmp").mkdir()

    def _command(self) -> list[str]:
        assert self._home is not None, "prepared before run"
        classes = self._home / jars.CLASS_CACHE
        return [
            jars.java(),
            *jars.JVM_FLAGS,
            *([f"-XX:AOTCache={classes}"] if classes.exists() else []),
            *self._more_flags,
            f"-Xmx{HEAP_BYTES_MAX}",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",  # No file in the machine's temporary folder.
            f"-Djava.io.tmpdir={self.folder / 'tmp'}",
            "-Djava.net.preferIPv4Stack=true",
            "-Djava.awt.headless=true",
            "-Dorg.slf4j.simpleLogger.showDateTime=true",
            "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
            "-cp",
            jars.classpath(self._home),
            "kafka.Kafka",
            str(self.folder / "server.properties"),
        ]

    def _answers(self) -> bool:
        if not (accepts_connections(self.port) and _gives_producer_ids(self.port)):
            return False
        return knows_itself(self.bootstrap, self._cluster_id())

    def _cluster_id(self) -> str:
        lines = (self.folder / "data" / "meta.properties").read_text().splitlines()
        return next(line.partition("=")[2] for line in lines if line.startswith("cluster.id="))

    def exercise(self) -> None:
        """Create a topic, write to it and read it in a group once: what every later broker will be asked to do."""
        from confluent_kafka import Consumer, Producer
        from confluent_kafka.admin import AdminClient
        from confluent_kafka.cimpl import NewTopic

        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.create_topics([NewTopic("exercise", num_partitions=2, replication_factor=1)])["exercise"].result(30)
        producer = Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True, "linger.ms": 1})
        for number in range(2_000):
            producer.produce("exercise", key=str(number), value=b"x" * 500)
        producer.flush(30)
        group = {"group.id": "exercise", "auto.offset.reset": "earliest"}
        consumer = Consumer({"bootstrap.servers": self.bootstrap, **group})
        consumer.subscribe(["exercise"])
        seen, deadline = 0, time.monotonic() + 15
        while seen < 2_000 and time.monotonic() < deadline:
            seen += len(consumer.consume(500, timeout=1))
        consumer.commit(asynchronous=False)
        consumer.close()


def broker_settings(*, port: int, controller_port: int, data: Path) -> dict[str, object]:
    """Give the broker's properties for these ports and this folder."""
    return {
        **SETTINGS,
        "listeners": f"PLAINTEXT://{HOST}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"{NODE_ID}@{HOST}:{controller_port}",
        "log.dirs": data,
    }


def with_listeners(settings: dict[str, object], more: Mapping[str, tuple[int, str]]) -> dict[str, object]:
    """Broker properties with further listeners: port and security protocol by name."""
    places = "".join(f",{name}://{HOST}:{port}" for name, (port, _) in more.items())
    protocols = "".join(f",{name}:{protocol}" for name, (_, protocol) in more.items())
    also = {"listeners": places, "advertised.listeners": places, "listener.security.protocol.map": protocols}
    return settings | {key: f"{settings[key]}{added}" for key, added in also.items()}


def render(settings: Mapping[str, object]) -> str:
    """Write settings as Java reads properties: a backslash begins an escape there."""
    return "".join(f"{key}={str(value).replace(chr(92), chr(92) * 2)}\n" for key, value in settings.items())


def some_uuid() -> str:
    """Give a random id in Kafka's form: 22 characters, not beginning with a dash."""
    while True:
        text = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def _gives_producer_ids(port: int) -> bool:
    """Ask for a producer id (InitProducerId, version 0), the last thing a starting broker learns to do.

    Without this an idempotent producer's first try fails with COORDINATOR_LOAD_IN_PROGRESS and waits half a second.
    """
    client = b"local"
    request = struct.pack(f">hhih{len(client)}shi", 22, 0, 1, len(client), client, -1, 1_000)
    try:
        with socket.create_connection((HOST, port), timeout=PROBE_SECONDS_MAX) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.makefile("rb").read(4 + 4 + 4 + 2)
    except OSError:
        return False
    if len(answer) != 14:
        return False
    _, _, _, error_code = struct.unpack(">iiih", answer)
    return bool(error_code == 0)


def knows_itself(bootstrap: str, cluster_id: str | None = None) -> bool:
    """Say whether the broker names itself as alive: before that, topics cannot be created. cluster_id: it is no other one."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    try:
        metadata = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0}).list_topics(timeout=PROBE_SECONDS_MAX)
    except KafkaException:
        return False
    return len(metadata.brokers) == 1 and cluster_id in {None, metadata.cluster_id}
