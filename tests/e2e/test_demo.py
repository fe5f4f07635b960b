"""The demo counts what an independent script counts, on real Kafka, Postgres and Faust."""

from __future__ import annotations

import csv
import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from tests.nightly import NIGHTLY

from entitlements import testing

#: Limits and rows. The limit between is that of tests/faults/test_demo_under_fire.py, which needs servers of its own anyway.
LIMITS = [(50, 3_000), (0, 1_000), *([(37, 1_500)] if NIGHTLY else [])]
REQUESTS = Path(__file__).parents[2] / "services/entitlements/demo/web-usage.csv.gz"


def counted_independently(usage: Path, limit: int) -> dict[str, int]:
    """Ten lines that know nothing of us: per workspace and UTC day the first `limit` requests are accepted."""
    seen: Counter[tuple[str, str]] = Counter()
    with gzip.open(usage, "rt") if usage.suffix == ".gz" else usage.open() as lines:
        for row in csv.DictReader(lines):
            seen[row["customer_id"], row["occurred_at"][:10]] += 1
    return {
        "accepted": sum(min(count, limit) for count in seen.values()),
        "refused": sum(max(0, count - limit) for count in seen.values()),
        "exceeded_days": sum(count > limit for count in seen.values()),
        "customers": len({workspace for workspace, _ in seen}),
    }


def first_rows(rows: int, to: Path) -> Path:
    with gzip.open(REQUESTS, "rt") as lines:
        to.write_text("".join(line for _, line in zip(range(rows + 1), lines, strict=False)))
    return to


@pytest.mark.timeout(150)
@pytest.mark.parametrize(("limit", "rows"), LIMITS)
def test_the_counts_of_the_demo_are_those_of_an_independent_script(
    limit: int, rows: int, tmp_path: Path, kafka: str, postgres: str
) -> None:
    """On servers of its own, from nothing, and on servers that are there. The whole file is counted in `make soak`, while processes are killed."""
    usage = first_rows(rows, tmp_path / "usage.csv")
    addresses = {} if limit == 50 else {testing.KAFKA_VARIABLE: kafka, testing.POSTGRES_VARIABLE: postgres}
    demo = [sys.executable, "-m", "entitlements.cli", "demo", "--json", "--limit", str(limit), "--usage", str(usage)]
    env = os.environ | addresses
    done = subprocess.run(demo, check=False, capture_output=True, text=True, timeout=140, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr[-2000:]
    said = json.loads(done.stdout)
    expected = counted_independently(usage, limit)
    assert {name: said[name] for name in expected} == expected
    assert said["rebuild_equal"] is True
    assert (said["asked"], said["answers_agree"]) == (6, True)
    assert said["changes_by_type"]["quota.exceeded"] == expected["exceeded_days"]
    assert said["changes"] == sum(said["changes_by_type"].values())
