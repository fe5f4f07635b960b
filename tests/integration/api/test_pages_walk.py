"""Pages that are typed into a terminal are walked as they stand, in one installation: every answer is as shown, at 80 columns."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from tests.serving import Service

from entitlements.cli.running import run
from entitlements.wiring import addresses

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```(?:sh|console)?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
WRITTEN = re.compile(r"^cat > \S+ <<.*?^EOF$\n?", re.DOTALL | re.MULTILINE)
#: What is another one each time: instants, ids that are made, places in the ledger, the user.
CHANGING = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.]+Z|(?<=\b(?:prv|grt)-)\w+|\bpartition \d+|\b(?:frame|offset) \d+|(?<=^By)\s+\w+$|(?<=^Usage id: )\w+",
    re.MULTILINE,
)
#: They start the installation, or show what all tests before did.
LEFT_OUT = re.compile(r"entitlements (up|changes|read-models|api-key)\b")


@pytest.fixture
def terminal(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty folder, 80 columns and the installation of the tests."""
    for name, value in addresses.environment_of(service.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("ENTITLEMENTS_ORGANIZATION", "acme-inc")  # Other tests have a ws-1 too.
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("page", "section", "steps"), [
    ("README.md", "## Five minutes", 9), ("docs/definitions.md", "", 9), ("docs/rules/limits.md", "", 10),
])  # fmt: skip
@pytest.mark.usefixtures("terminal")
def test_a_page_can_be_followed(page: str, section: str, steps: int, capsys: pytest.CaptureFixture[str]) -> None:
    text = (ROOT / page).read_text().partition(section)[2] if section else (ROOT / page).read_text()
    walked = 0
    for block in BLOCK.findall(text.partition("\n## ")[0] if section else text):
        for file in WRITTEN.findall(block):
            subprocess.run(["sh", "-c", file], check=True)
        for command, shown in steps_of(WRITTEN.sub("", block)):
            if LEFT_OUT.match(command):
                continue
            capsys.readouterr()
            run(shlex.split(command)[1:])
            out, error = capsys.readouterr()
            if error:  # A terminal shows the advice in a line of its own.
                assert same(" ".join((out + error).split())) == same(" ".join(shown.split())), command
            else:
                assert not shown or same(out) == same(shown), command
            walked += 1
    assert walked >= steps


def steps_of(block: str) -> list[tuple[str, str]]:
    """Each command that the block shows, with its answer; none is shown where there are no prompts."""
    if not re.search(r"^\$ ", block, re.MULTILINE):
        return [(line, "") for line in block.splitlines() if line.startswith("entitlements ")]
    parts = [part.partition("\n") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]
    return [(command, shown) for command, _, shown in parts if command.startswith("entitlements ")]


def same(text: str) -> str:
    return CHANGING.sub("*", text).strip()
