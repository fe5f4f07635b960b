"""Servers for all tests, and the marker of each test's folder.

kafka and postgres are real and shared by the session (entitlements.testing says where they come from); a test keeps to
itself by its topic_prefix and its own database. Tests under unit/ have no server: they run in seconds.
"""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import typer.main
from xdist.scheduler import LoadFileScheduling

from entitlements import testing

HERE = Path(__file__).parent
# Brokers of tests live for seconds, those of `entitlements up` too: a compiler that begins to pay after a minute would take their cores.
os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
#: Of tests/unit/domain, and used by others too: whichever of them comes first.
pytest.register_assert_rewrite("specification", "model", "engines")
# How long an example takes is a matter of the machine: the first one builds tables that a fresh clone has not, for seconds on a busy one.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")
#: Folders with an installation for all their tests: eight processes that are not started in every worker.
INSTALLED_ONCE = {"tests/integration/api", "tests/integration/client"}
SERVER_FIXTURES = {"kafka", "postgres", "database"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        parts = item.path.relative_to(HERE).parts if item.path.is_relative_to(HERE) else ()
        if len(parts) < 2:
            continue
        item.add_marker(getattr(pytest.mark, parts[0]))
        wanted = SERVER_FIXTURES & set(getattr(item, "fixturenames", ()))
        if parts[0] == "unit" and wanted:
            raise pytest.UsageError(f"{item.nodeid} is a unit test and asks for {', '.join(sorted(wanted))}")


class ByInstallation(LoadFileScheduling):
    """A worker runs a file, whose fixtures are made once, or all files that ask one installation."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        folder = file.rpartition("/")[0]
        return folder if folder in INSTALLED_ONCE else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return ByInstallation(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(autouse=True, scope="session")
def one_command_line() -> Iterator[None]:
    """Tests run a thousand command lines in one process; the commands and options are put together once, as in a process of one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", cache(typer.main.get_command))
        yield


@pytest.fixture(autouse=True)
def no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is printed goes into a file, whatever the width of the terminal the tests are run in; xdist sets one."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Bootstrap address of a Kafka broker."""
    with testing.a_kafka() as address:
        yield address


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a Postgres server, with a user that may create databases."""
    with testing.a_postgres() as url:
        yield url


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """URL of an empty database that only this test has."""
    with testing.a_database(postgres) as url:
        yield url


@pytest.fixture
def topic_prefix() -> str:
    """A prefix for topics and groups that only this test has: Settings(topic_prefix=topic_prefix)."""
    return testing.unique_prefix()
