"""Whatever is killed while the demo runs, its counts stay those of an independent script. The whole file and all kills: `make soak`."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.e2e.test_demo import REQUESTS, counted_independently, first_rows
from tests.nightly import NIGHTLY

#: Another one than the demo's own, which tests/e2e/test_demo.py has.
LIMIT = 37
#: How often each is killed. More than once, so that who took over is killed too.
KILLS = {"engine": 10, "projector": 4, "changes": 3} if NIGHTLY else {"engine": 4, "projector": 2, "changes": 2}
ROWS = 3_000


def kill_at_random(folder: Path, kills: dict[str, int], demo: subprocess.Popen[str], chance: random.Random) -> None:
    """SIGKILL processes of the demo at random moments, each time the one that lives then; takes off what was done."""
    killed: set[int] = set()
    while demo.poll() is None and any(kills.values()):
        time.sleep(chance.uniform(0.1, 0.7))
        process = chance.choice([name for name, left in kills.items() if left])
        try:
            pid = json.loads((folder / "addresses.json").read_text(encoding="utf-8"))["processes"][process]
            if pid is None or pid in killed:
                continue
            os.kill(pid, signal.SIGKILL)
        except (OSError, ValueError, KeyError):
            continue  # Not started yet, or just ended.
        killed.add(pid)
        kills[process] -= 1


@pytest.mark.timeout(240)
def test_killing_processes_of_the_demo_changes_no_count(tmp_path: Path) -> None:
    folder, left = tmp_path / "data", dict(KILLS)
    usage = REQUESTS if NIGHTLY else first_rows(ROWS, tmp_path / "usage.csv")
    command = [sys.executable, "-m", "entitlements.cli", "demo", "--json", "--data", str(folder), "--limit", str(LIMIT)]
    command += ["--usage", str(usage)]
    # A killed engine is replaced when its session is over: short here, for the sake of the test's time.
    env = os.environ | {"ENTITLEMENTS_SESSION_TIMEOUT_FOR": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=env
    ) as demo:
        kill_at_random(folder, left, demo, random.Random(17))
        out, err = demo.communicate(timeout=200)
    assert demo.returncode == 0, err[-2000:]
    said = json.loads(out)
    expected = counted_independently(usage, LIMIT)
    assert {name: said[name] for name in expected} == expected
    assert said["rebuild_equal"] is True
    assert said["changes_by_type"]["quota.exceeded"] == expected["exceeded_days"]
    assert not any(left.values()), f"the demo was over before {left} were killed"
