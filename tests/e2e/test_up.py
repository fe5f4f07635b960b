"""Two installations that start in the same second: each says Ready with its own API, keeps its ports, logs little, and stops at once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from entitlements import testing
from entitlements.wiring.processes import PROCESSES

STOPPED_WITHIN_FOR = 3.0
#: All that a healthy installation logs; a server that is slow to answer is waited for, and that is said.
EXPECTED = re.compile(
    r"starting: |serving at http://|Listening at http://|Stopped\.$|Waiting for |\S+ is ready\.$"
    r"|(\S+: )?(deciding|publishing|projecting|writing|processing) partitions \[",
    re.IGNORECASE,
)


class Up:
    """`entitlements up` on servers that are there."""

    def __init__(self, folder: Path, kafka: str, database: str, prefix: str, *options: str) -> None:
        variables = {"KAFKA": kafka, "POSTGRES": database, "TOPIC_PREFIX": prefix, "PARTITIONS": "2"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "entitlements.cli", "up", "--data", str(folder), *options],
            env=os.environ
            | {"PYTHONUNBUFFERED": "1"}
            | {f"ENTITLEMENTS_{name}": value for name, value in variables.items()},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def until(self, words: str) -> str:
        """Read on to a line with these words."""
        assert self.process.stdout is not None
        heard = ""
        for line in self.process.stdout:
            heard += line
            if words in line:
                return line
        raise AssertionError((words, heard))

    def stop(self) -> None:
        """Ctrl-C."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.until("Stopped.")
        assert self.process.wait(STOPPED_WITHIN_FOR) == 0
        assert time.monotonic() - began < STOPPED_WITHIN_FOR


def installation_at(url: str) -> str:
    return httpx.get(f"{url}/healthz", timeout=10).headers["entitlements-installation"]


def test_two_that_start_in_one_second_have_an_api_each_and_keep_it(kafka: str, postgres: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        folders = [tmp_path / name for name in ("one", "two")]
        started: list[Up] = []
        for folder in folders:
            database = stack.enter_context(testing.a_database(postgres))
            started.append(Up(folder, kafka, database, testing.unique_prefix()))
            stack.callback(started[-1].process.kill)
        kept: list[dict[str, Any]] = []
        for up, folder in zip(started, folders, strict=True):
            url = up.until("API").split()[-1]
            known = json.loads((folder / "addresses.json").read_text())
            kept.append(json.loads((folder / "state.json").read_text()))
            assert url == known["api"] == f"http://127.0.0.1:{kept[-1]['api_port']}"
            assert installation_at(url) == kept[-1]["installation"]
        assert kept[0]["api_port"] != kept[1]["api_port"]
        taken = subprocess.run(
            [sys.executable, "-m", "entitlements.cli", "up", "--data", str(tmp_path / "three"),
             "--api-port", str(kept[0]["api_port"])],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert taken.returncode == 1
        assert taken.stderr.startswith(
            f"port_is_taken: A port is in use. The HTTP API needs port {kept[0]['api_port']}"
        )
        assert "--api-port" in taken.stderr
        for up in started:
            up.stop()
        for folder in folders:
            written = {log.stem: messages_in(log) for log in (folder / "logs").glob("*.log")}
            assert set(written) == set(PROCESSES)
            assert {name: strange for name, lines in written.items() if (strange := strange_among(lines))} == {}
            assert [name for name, lines in written.items() if lines[-1] != ("info", "Stopped.")] == []


def messages_in(log: Path) -> list[tuple[str, str]]:
    """(level, message) of each line; a line that is no message of ours has no level."""
    found = [re.match(r'at=\S+ level=(\w+) .*?message="(.*?)"', line) for line in log.read_text().splitlines()]
    lines = log.read_text().splitlines()
    return [(match[1], match[2]) if match else ("", line) for match, line in zip(found, lines, strict=True)]


def strange_among(lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What says neither that a process starts or ends, nor what it works on."""
    usual = "info", "warning"
    return [(level, message) for level, message in lines if level not in usual or not EXPECTED.match(message)]
