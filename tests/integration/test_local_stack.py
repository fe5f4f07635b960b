"""The local stack: real servers from wheels, ready in seconds, and never left behind."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from entitlements import testing
from entitlements.local import (
    FolderIsInUse,
    JarIsNotTheLockedOne,
    LocalKafka,
    LocalPostgres,
    LocalStack,
    ServerDidNotStart,
    jars,
    privileges,
    supervisor,
)
from entitlements.local.errors import FolderIsUnusable, PortIsTaken
from entitlements.local.folder import HOST, a_free_port

AWAY_SECONDS_MAX = 20.0
is_root = os.geteuid() == 0

# A parent that starts a stack, says which processes serve it, and waits for its end.
PARENT = """
import os, sys, time
from entitlements.local import LocalStack
with LocalStack(sys.argv[1], fast=True) as stack:
    servers = (stack.kafka_server, stack.postgres_server)
    fork = os.fork() if "fork" in sys.argv else 1
    if fork != 0:
        print(*[server.pid for server in servers], *[server._supervisor.pid for server in servers], fork, flush=True)
    time.sleep(60)
    os._exit(0)
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    with LocalStack(tmp_path_factory.mktemp("stack"), fast=True) as running:
        yield running


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user may enter, unlike tmp_path."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def create_topic(bootstrap: str, name: str, **config: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(name, num_partitions=1, replication_factor=1, config=config)])[name].result(20)


def produce(bootstrap: str, topic: str, *values: bytes) -> None:
    errors: list[object] = []
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "message.max.bytes": 20_000_000})
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: errors.append(error) if error else None)
    assert producer.flush(20) == 0
    assert not errors


def consume(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "fetch.message.max.bytes": 20_000_000})
    consumer.assign([TopicPartition(topic, 0, 0)])
    try:
        return [message.value() or b"" for message in consumer.consume(count, timeout=20)]
    finally:
        consumer.close()


def is_gone(pid: int) -> bool:
    """A zombie counts as gone: it holds nothing, and only waits for a parent to look."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def processes_that_mention(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and not is_gone(int(entry.name)):
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if text in command:
                found.append(command)
    return found


def eventually(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + AWAY_SECONDS_MAX
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def start_parent(folder: Path, *arguments: str) -> tuple[subprocess.Popen[str], list[int]]:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(folder), *arguments], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    return parent, [int(pid) for pid in parent.stdout.readline().split()]


def test_both_servers_serve(stack: LocalStack) -> None:
    create_topic(stack.kafka, "hello")
    produce(stack.kafka, "hello", b"world")
    assert consume(stack.kafka, "hello", 1) == [b"world"]
    with psycopg.connect(stack.postgres) as connection:
        connection.execute("create extension btree_gist")
        assert connection.execute("show timezone").fetchone() == ("UTC",)
        assert connection.execute("show server_encoding").fetchone() == ("UTF8",)


def test_a_topic_exists_only_when_it_was_created(stack: LocalStack) -> None:
    consumer = Consumer({"bootstrap.servers": stack.kafka, "group.id": "mistyped", "allow.auto.create.topics": "true"})
    consumer.subscribe(["mistyped"])
    message = consumer.poll(10)
    assert message is not None
    error = message.error()
    assert error is not None
    assert error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    consumer.close()
    assert "mistyped" not in AdminClient({"bootstrap.servers": stack.kafka}).list_topics(timeout=10).topics


def test_a_frame_of_16_mib_passes(stack: LocalStack) -> None:
    frame = os.urandom(16 * 1024 * 1024)
    create_topic(stack.kafka, "frames")
    produce(stack.kafka, "frames", frame)
    assert consume(stack.kafka, "frames", 1) == [frame]


def test_the_broker_sets_the_time_of_a_log_append_time_topic(stack: LocalStack) -> None:
    create_topic(stack.kafka, "times", **{"message.timestamp.type": "LogAppendTime"})
    producer = Producer({"bootstrap.servers": stack.kafka})
    producer.produce("times", b"from 2015", timestamp=1_431_857_105_000)
    producer.flush(10)
    consumer = Consumer({"bootstrap.servers": stack.kafka, "group.id": "times"})
    consumer.assign([TopicPartition("times", 0, 0)])
    (message,) = consumer.consume(1, timeout=10)
    consumer.close()
    assert abs(message.timestamp()[1] / 1000 - time.time()) < 60


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads the kernel's table of sockets")
def test_nobody_outside_this_machine_can_connect(stack: LocalStack) -> None:
    sockets = [
        line.split()[1] for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    ]
    ports = {stack.kafka_server.port, stack.postgres_server.port}
    ours = {address for address, port in (entry.split(":") for entry in sockets) if int(port, 16) in ports}
    loopback = f"{int.from_bytes(socket.inet_aton(HOST), sys.byteorder):08X}"
    assert {address[-8:] for address in ours} == {loopback}


def test_a_second_stack_on_the_same_folder_is_refused(stack: LocalStack) -> None:
    with pytest.raises(FolderIsInUse, match=str(os.getpid())) as refused:
        LocalStack(stack.folder).start()
    assert str(stack.folder) in str(refused.value)
    script = f"from entitlements.local import LocalStack; LocalStack({str(stack.folder)!r}).start()"
    other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert "FolderIsInUse" in other.stderr
    assert stack.kafka_server.is_running
    assert stack.postgres_server.is_running


def test_stacks_in_two_folders_run_side_by_side_and_come_back_with_data_and_addresses(
    stack: LocalStack, tmp_path: Path
) -> None:
    with LocalStack(tmp_path) as first:
        addresses = (first.kafka, first.postgres)
        assert not set(addresses) & {stack.kafka, stack.postgres}
        create_topic(first.kafka, "kept")
        produce(first.kafka, "kept", b"1", b"2")
        with psycopg.connect(first.postgres) as connection:
            connection.execute("create table kept as select 42 as answer")
    assert processes_that_mention(str(tmp_path)) == []
    with LocalStack(tmp_path) as second:
        assert (second.kafka, second.postgres) == addresses
        assert consume(second.kafka, "kept", 2) == [b"1", b"2"]
        with psycopg.connect(second.postgres) as connection:
            assert connection.execute("select answer from kept").fetchone() == (42,)


def test_what_was_acknowledged_survives_a_crash_of_both_servers(tmp_path: Path) -> None:
    with LocalStack(tmp_path, fast=True) as stack:
        addresses = (stack.kafka, stack.postgres)
        create_topic(stack.kafka, "kept")
        produce(stack.kafka, "kept", b"before")
        with psycopg.connect(stack.postgres, autocommit=True) as connection:
            connection.execute("create table kept as select 42 as answer")
            for server in (stack.kafka_server, stack.postgres_server):
                server.kill()
                assert server.pid is None
            with pytest.raises(psycopg.OperationalError):
                connection.execute("select 1")
        stack.kafka_server.restart()
        stack.postgres_server.restart()
        assert (stack.kafka, stack.postgres) == addresses
        produce(stack.kafka, "kept", b"after")
        assert consume(stack.kafka, "kept", 2) == [b"before", b"after"]
        with psycopg.connect(stack.postgres) as connection:
            assert connection.execute("select answer from kept").fetchone() == (42,)


@pytest.mark.parametrize("fork", [(), ("fork",)], ids=["alone", "with a fork that holds its pipes"])
def test_a_killed_parent_leaves_nothing_running(tmp_path: Path, fork: tuple[str, ...]) -> None:
    parent, pids = start_parent(tmp_path, *fork)
    assert len(pids) == 5
    parent.kill()
    parent.wait()
    *servers, forked = pids
    try:
        assert eventually(lambda: all(is_gone(pid) for pid in servers))
    finally:
        if fork:
            os.kill(forked, signal.SIGKILL)
    assert eventually(lambda: processes_that_mention(str(tmp_path)) == [])
    with LocalPostgres(tmp_path / "postgres", fast=True) as postgres:  # And nothing is in the way of the next.
        psycopg.connect(postgres.url).close()


@pytest.mark.skipif(sys.platform != "linux", reason="needs the kernel's help, which only Linux gives")
def test_a_parent_killed_together_with_its_supervisors_leaves_nothing_running(tmp_path: Path) -> None:
    parent, (*_, kafka_supervisor, postgres_supervisor, _one) = start_parent(tmp_path)
    for pid in (kafka_supervisor, postgres_supervisor, parent.pid):
        os.kill(pid, signal.SIGKILL)
    parent.wait()
    assert eventually(lambda: processes_that_mention(str(tmp_path)) == [])


def test_a_parent_that_just_ends_leaves_nothing_running(tmp_path: Path) -> None:
    script = f"from entitlements.local import LocalPostgres; print(LocalPostgres({str(tmp_path)!r}).start().pid)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert eventually(lambda: is_gone(int(done.stdout)))


@pytest.mark.skipif(not is_root, reason="only root has to be somebody else")
@pytest.mark.parametrize("closed", [False, True], ids=["in an open folder", "behind a closed door"])
def test_root_runs_postgres_as_somebody_without_rights(open_folder: Path, *, closed: bool) -> None:
    folder = open_folder / "folder"
    folder.mkdir()
    open_folder.chmod(0o700 if closed else 0o755)
    with LocalPostgres(folder / "postgres", fast=True) as postgres:
        assert postgres.pid is not None
        assert Path(f"/proc/{postgres.pid}").stat().st_uid != 0
        psycopg.connect(postgres.url).close()
        postgres.kill()
        postgres.restart()
        psycopg.connect(postgres.url).close()


@pytest.mark.skipif(not is_root, reason="all other tests run as a plain user then")
def test_a_plain_user_runs_the_stack_as_himself(open_folder: Path) -> None:
    folder = open_folder
    somebody = privileges.identity_for(Path(sys.executable), folder)
    assert somebody is not None
    os.chown(folder, somebody.uid, somebody.gid)
    script = """if True:
        import os, sys, psycopg
        from entitlements.local import LocalStack
        with LocalStack(sys.argv[1], fast=True) as stack:
            assert os.geteuid() != 0
            psycopg.connect(stack.postgres).close()
            for server in (stack.kafka_server, stack.postgres_server):
                print(os.stat(f"/proc/{server.pid}").st_uid)
    """
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, str(folder)],
        preexec_fn=supervisor.before_exec(vars(somebody)),
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin", "ENTITLEMENTS_CACHE": str(jars.kafka_home().parent)},
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(somebody.uid)] * 2


def test_no_java_docker_or_postgres_of_the_machine_is_needed(tmp_path: Path) -> None:
    script = "import sys; from entitlements.local import LocalStack; LocalStack(sys.argv[1]).start().stop()"
    environment = {"PATH": str(tmp_path / "nothing"), "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=environment, check=True, timeout=100)
    assert processes_that_mention(str(tmp_path)) == []


def test_a_broker_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ServerDidNotStart, match=r"log\.retention\.hours"):
        LocalKafka(tmp_path, settings={"log.retention.hours": "many"}).start()
    assert processes_that_mention(str(tmp_path)) == []
    with LocalKafka(tmp_path) as kafka:
        assert kafka.is_running


def test_a_port_stays_and_whoever_has_taken_it_is_named(tmp_path: Path) -> None:
    with LocalPostgres(tmp_path, fast=True) as postgres:
        old = postgres.port
        postgres.kill()
        with socket.create_server((HOST, old)):
            for start in (postgres.restart, postgres.start):
                with pytest.raises(PortIsTaken, match=rf"{old}, which .* \(process {os.getpid()}\).*--postgres-port"):
                    start()
            postgres.stop()
            with LocalPostgres(tmp_path, fast=True, port=a_free_port(except_for=set())) as moved:
                assert moved.port != old
                psycopg.connect(moved.url).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(FolderIsUnusable, match="file/postgres"):
        LocalPostgres(tmp_path / "file" / "postgres").start()


def test_a_jar_with_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jars").mkdir()
    monkeypatch.setattr(jars, "_resolve", lambda coordinate, context: Path(__file__))
    with pytest.raises(JarIsNotTheLockedOne, match=r"org\.example:thing:1"):
        jars._fetch_one("org.example:thing:1", "0" * 64, tmp_path / "jars", [None, None])  # type: ignore[list-item]
    assert list((tmp_path / "jars").iterdir()) == []


def test_every_jar_in_use_is_the_locked_one() -> None:
    home = jars.kafka_home()
    for coordinate, checksum in jars.locked():
        assert jars._sha256(home / "jars" / jars._file_name(coordinate)) == checksum


def test_addresses_in_the_environment_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENTITLEMENTS_KAFKA", "kafka.example:9092")
    monkeypatch.setenv("ENTITLEMENTS_POSTGRES", "postgresql://postgres.example/db")
    with testing.servers() as found:
        assert found == testing.Servers(kafka="kafka.example:9092", postgres="postgresql://postgres.example/db")


def test_a_test_database_is_empty_and_goes_away(postgres: str) -> None:
    with testing.a_database(postgres) as url, psycopg.connect(url) as connection:
        name = connection.info.dbname
        assert connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone() == (0,)
    with psycopg.connect(postgres) as connection:
        assert connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone() is None
