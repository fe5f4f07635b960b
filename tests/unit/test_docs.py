"""What the documents tell people to type exists. What they link to: test_pages.py."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from entitlements.cli.app import app
from entitlements.domain import ids

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "deploy/README.md",
    ROOT / "clients/python/README.md",
]
NAME = re.compile(r"[a-z][a-z-]*")
#: Programs that are not ours.
OTHERS = {"make", "pip"}
TYPED = re.compile(r"^(?:\$ )?(entitlements (?!\.)[a-z].*?)(?:\s+#.*)?$", re.MULTILINE)


def lines_typed() -> list[str]:
    blocks = [block for page in PAGES for block in re.findall(r"```\w*\n(.*?)```", page.read_text(), re.DOTALL)]
    return [line for block in blocks for line in TYPED.findall(block)]


def fragments() -> list[str]:
    """Commands that sentences name, with `entitlements` or without: two words or more, of which one is a command's."""
    groups = {name: group for name, group in root().commands.items() if hasattr(group, "commands")}
    verbs = {verb for name, group in groups.items() if name != "run" for verb in group.commands}
    found = set[str]()
    for page in PAGES:
        if page.name == "CHANGELOG.md":  # It names what there was before.
            continue
        prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
        for span in re.findall(r"`([^`]+)`", prose):
            ours, *words = ["", *span.split()] if not span.startswith("entitlements ") else span.split()
            if (
                len(words) > 1
                and NAME.fullmatch(words[0])
                and words[0] not in OTHERS
                and (ours or words[0] in groups or words[1] in verbs)
            ):
                found.add(f"entitlements {' '.join(words)}")
    return sorted(found)


def root() -> Any:
    return get_command(app)


@pytest.mark.parametrize("fragment", fragments())
def test_commands_that_sentences_name_exist(fragment: str) -> None:
    """A renamed one (`keys list`, `project rebuild`) stayed on a page."""
    _, *words = fragment.split()
    command = root()
    while words and hasattr(command, "commands") and NAME.fullmatch(words[0]):
        assert words[0] in command.commands or hasattr(command, "default"), f"{fragment!r} is no command"
        if words[0] not in command.commands:
            break
        command = command.commands[words.pop(0)]


def test_stale_commands_in_sentences_are_seen() -> None:
    assert {"entitlements pool list", "entitlements api-key list", "entitlements usage record"} <= set(fragments())
    for stale in ("entitlements keys list", "entitlements project rebuild"):
        with pytest.raises(AssertionError, match="is no command"):
            test_commands_that_sentences_name_exist(stale)


@pytest.mark.parametrize("line", lines_typed())
def test_what_people_are_told_to_type_exists(line: str) -> None:
    words = shlex.split(line)[1:]
    command: Any = root()
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if hasattr(command, "default"):  # `entitlements customer show ws-1` is `entitlements usage show ws-1`.
        command = command.commands[command.default]
    assert not hasattr(command, "commands"), f"{line!r} is no command"
    known = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known | {"--help"}


def test_make_help_fits_a_terminal_of_80_columns() -> None:
    targets = re.findall(r"^([a-z]+):.*## (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert len(targets) > 10
    assert not [name for name, text in targets if len(f"  make {name:<8} {text}") > 80]


def test_the_service_template_starts_processes_that_exist() -> None:
    named = re.search(r"entitlements@engine, (.*)\.", (ROOT / "deploy/entitlements@.service").read_text())
    assert named is not None
    commands: Any = get_command(app)
    assert {"engine", *re.findall(r"@([\w-]+)", named[1])} <= set(commands.commands["run"].commands)


@pytest.mark.parametrize("page", ["api.md", "rules/exactly-once.md"])
def test_pages_name_every_id_that_may_not_be_a_derived_one(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    (said,) = re.findall(r"must not begin with `~`[^:]*:(.*?`RecordUsageBatch`)", text, re.DOTALL)
    named = {name for kind, fields in ids._CHOSEN.items() for name in (kind.__name__, *fields)}
    assert named | {"usage_id"} == set(re.findall(r"`(\w+)`", said))
