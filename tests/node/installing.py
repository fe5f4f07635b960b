"""Node and what its lock file names, for tests. Node comes as a wheel of the `dev` extra; a missing one is an error, never a skip."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
MODULES: Final = HERE / "node_modules"
#: Seconds for one command of Node, and for the installation.
COMMAND_WITHIN_FOR: Final = 100.0
INSTALL_WITHIN_FOR: Final = 600.0
_STAMP: Final = MODULES / ".installed"
_BIN: Final = Path(sys.executable).parent


def install() -> None:
    """Install what the lock file names, once for each lock file. Raises CalledProcessError, FileNotFoundError: there is no npm."""
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    with (HERE / "package.json").open() as lock:  # Whoever comes at the same time waits.
        flock(lock, LOCK_EX)
        if _STAMP.is_file() and _STAMP.read_text() == wanted:
            return
        _run([str(_BIN / "npm"), "ci", "--no-audit", "--no-fund"], INSTALL_WITHIN_FOR)
        _STAMP.write_text(wanted)


def node(program: str, *arguments: object, **environment: str) -> str:
    """The output of a Node program of an installed package, such as "typescript/bin/tsc". Raises CalledProcessError, which says why."""
    install()
    return _run([str(_BIN / "node"), str(MODULES / program), *map(str, arguments)], COMMAND_WITHIN_FOR, environment)


def _run(command: list[str], within_for: float, environment: dict[str, str] | None = None) -> str:
    path = f"{_BIN}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        command,
        cwd=HERE,
        env=os.environ | {"PATH": path} | (environment or {}),
        capture_output=True,
        text=True,
        timeout=within_for,
        check=False,
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    done.check_returncode()
    return done.stdout


def versions() -> dict[str, Any]:
    """What the lock file names."""
    found: dict[str, Any] = json.loads((HERE / "package-lock.json").read_text())["packages"]
    return found
