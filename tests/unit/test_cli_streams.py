"""Whatever becomes of standard output, there is no traceback: what cannot be written is escaped, and what fails is one line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def ran(line: str, **variables: str) -> tuple[int, str]:
    """The exit status and standard error of a shell's line, in which `entitlements` is the command."""
    given = line.replace("entitlements ", f"{sys.executable} -m entitlements.cli ")
    environment = os.environ | {"LC_ALL": "C.UTF-8"} | variables
    done = subprocess.run(["bash", "-c", given], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("command", ["scenario schema", "--help", "usage --json"])
def test_a_full_disk_is_one_line_and_status_1(command: str) -> None:
    told = "output_failed: Cannot write to standard output: No space left on device.\n"
    assert ran(f"entitlements {command} > /dev/full") == (1, told)
    assert ran(f"entitlements {command} > /dev/full 2> /dev/full", PYTHONUNBUFFERED="1") == (1, "")


@pytest.mark.parametrize("command", ["scenario schema", "send --help"])
def test_a_reader_that_has_enough_is_no_failure(command: str) -> None:
    assert ran(f"set -o pipefail; entitlements {command} | head -c 1") == (0, "")
    assert ran(f"set -o pipefail; entitlements {command} | head -c 1", PYTHONUNBUFFERED="1") == (0, "")


def test_a_closed_output_is_no_failure() -> None:
    assert ran("entitlements scenario schema >&-") == (0, "")
    assert ran("entitlements scenario run nothing-of-that-name >&- 2>&-")[1] == ""


def test_what_the_encoding_does_not_have_is_escaped() -> None:
    line = "entitlements pool show '→é' --json | grep -q away; entitlements pool show '→é'; entitlements --help"
    status, said = ran(line, PYTHONIOENCODING="ascii", ENTITLEMENTS_POSTGRES="postgresql://127.0.0.1:1/x")
    assert status == 0
    assert "Traceback" not in said
    given = "print(chr(8594), flush=True)"
    line = f"{sys.executable} -c 'from entitlements.cli import streams; streams.guard(); {given}' | grep -q u2192"
    assert ran(line, PYTHONIOENCODING="ascii") == (0, "")


@pytest.mark.parametrize("after", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("command", ["up", "run engine"])
def test_what_is_stopped_while_it_starts_says_so(tmp_path: Path, command: str, after: float, number: int) -> None:
    code = (
        "import os, signal, sys, entitlements.cli as cli\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # Whatever started us ignores.
        "import entitlements.cli.streams as streams; streams.stop_at_once(sys.argv[1:])\n"
        "os.write(2, b'.'); cli.main(sys.argv[1:])"
    )
    up = subprocess.Popen(
        [sys.executable, "-c", code, *command.split(), "--data", str(tmp_path / "data")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert up.stderr is not None
    up.stderr.read(1)
    time.sleep(after)
    up.send_signal(number)
    out, error = up.communicate(timeout=30)
    said, rest = (out, error) if command == "up" else (error, out)
    assert (up.returncode, rest) == (0, "")
    assert "Stopped." in said.split("\n")[-2]
    assert "Traceback" not in said
