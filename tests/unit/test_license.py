"""Every package that we ship states its license in its metadata and carries the text."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [ROOT, ROOT / "clients/python"]
#: SHA-256 of the text as the Apache Software Foundation publishes it.
OFFICIAL = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


@pytest.mark.parametrize("package", PACKAGES, ids=["service", "client"])
def test_a_package_holds_the_official_text(package: Path) -> None:
    assert hashlib.sha256((package / "LICENSE").read_bytes()).hexdigest() == OFFICIAL


def test_there_are_no_other_packages() -> None:
    ours = {file.parent for file in ROOT.rglob("pyproject.toml") if ".venv" not in file.parts}
    assert ours == set(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES, ids=["service", "client"])
def test_a_wheel_carries_its_license(package: Path, tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=package, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = Parser().parsestr(archive.read(f"{info}/METADATA").decode())
        text = archive.read(f"{info}/licenses/LICENSE")
    assert (metadata["License-Expression"], metadata.get_all("License-File")) == ("Apache-2.0", ["LICENSE"])
    assert hashlib.sha256(text).hexdigest() == OFFICIAL
