"""Every error says what to do, in one line that fits, over HTTP as on the command line."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.main import get_command

from entitlements import errors
from entitlements.advice import ADVICE
from entitlements.api.problems import problem_of
from entitlements.cli.app import app
from entitlements.cli.failures import _BY_COMMAND, Failure, Refused, explained
from entitlements.domain.errors import CommandRefused

ROOT = Path(__file__).parents[2]


def tree(kind: type[Exception]) -> list[type[Exception]]:
    below = [each for each in kind.__subclasses__() if each.__module__ == kind.__module__]
    return [kind, *(each for child in below for each in tree(child))]


KINDS = [*tree(CommandRefused), *tree(errors.EntitlementsError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_every_error_says_what_to_do(kind: Any) -> None:
    advice = ADVICE[kind.code]
    assert re.fullmatch(r"[A-Z`].*[^.]\.", advice)
    assert orjson.loads(problem_of(kind("which")).response().body)["detail"].endswith(f" {advice}")
    failure = explained(kind("which"))
    assert failure is not None
    assert failure.advice == _BY_COMMAND.get(kind.code, advice)
    line = failure.lines(None)
    assert "\n" not in line
    assert re.search(r"[.:;,?!] ?[.:;,]|\.\)|\(\)|\( ", line) is None, line


def test_no_advice_is_about_an_error_that_is_none() -> None:
    assert set(ADVICE) == {kind.code for kind in KINDS}


@pytest.mark.parametrize("advice", [*ADVICE.values(), *_BY_COMMAND.values()])
def test_advice_names_commands_that_exist(advice: str) -> None:
    for line in re.findall(r"`entitlements ([^`]*)`", advice):
        words, found = line.split(), get_command(app)
        while words and words[0] in getattr(found, "commands", {}):
            found = found.commands[words.pop(0)]
        assert not getattr(found, "commands", {}), line


def test_on_a_terminal_an_error_fits_its_width_and_advice_has_a_line_of_its_own() -> None:
    failure = Failure(
        "quota_exceeded", "The usage exceeds the remaining amount. " * 3, "Use less, or wait for the reset. " * 3
    )
    lines = failure.lines(40).split("\n")
    assert max(map(len, lines)) <= 40
    assert [line for line in lines if line.startswith("Use less")] != []
    assert failure.lines(None) == f"quota_exceeded: {failure.sentence} {failure.advice}".rstrip()


def test_on_a_terminal_of_50_columns(tmp_path: Path) -> None:
    """A real one: the process asks it for its width."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 50, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-m", "entitlements.cli", "pool", "open", "x" * 129, "--organization", "acme"]
    subprocess.run(command, stderr=slave, stdin=slave, check=False, env=environment, cwd=tmp_path)
    os.close(slave)
    shown = os.read(master, 10_000).decode().replace("\r\n", "\n")
    os.close(master)
    assert shown == "invalid_id: The id of the pool has 129 characters.\nAn id has 1 to 128.\n"


def test_refusals_of_the_engine_are_whole_sentences_too() -> None:
    failure = explained(Refused("ladder_is_occupied", "Another provision occupies it: sub-1."))
    assert failure is not None
    assert failure.lines(None).startswith("ladder_is_occupied: Another provision occupies it: sub-1. Change the plan")


def test_nothing_cannot_be_meant() -> None:
    """The words stay out of everything that people read."""
    places = ["services", "clients", "docs", "README.md", "schemas/entitlements_schemas/commands"]
    found = subprocess.run(
        ["git", "grep", "-liE", "(cannot|can) be meant", "--", *places],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (found.stdout, found.returncode) == ("", 1)
