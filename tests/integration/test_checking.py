"""What `check` answers from the read models is what the domain would decide: on generated histories of the whole domain."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "domain"))

from generated_whole import KEYS, whole_history

from entitlements.access.checking import ALLOWED, PoolAnswer, check
from entitlements.domain.aggregate import NEVER_MS, from_ms
from entitlements.domain.decide import advance
from entitlements.domain.members import override_of
from entitlements.domain.pools import ResourcePool
from entitlements.domain.usage import UsageAnswer, record_lines
from entitlements_projections import reading
from entitlements_projections.database import Connection, connect
from entitlements_projections.migrations import migrate
from entitlements_projections.testing import SyntheticLedger, usage_line, write

POOL = "pool-0"
#: Answers that are a matter of how much.
FITS = ("allowed", "quota_exceeded", "member_cap_reached")
DAY_MS = 86_400_000


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    migrate(database)
    with closing(connect(database)) as connection:
        yield connection


def decided(pool: ResourcePool, line: Any, at_ms: int) -> tuple[str, int]:
    """What becomes of strict usage at an instant: allowed or the code of the refusal, and what would be taken."""
    pool, answer = deepcopy(pool), UsageAnswer()
    now_ms = advance(pool, "c", pool.clock_ms if pool.is_backfilling else None, at_ms)
    entitlement = pool.entitlements.get(line["resource_key"])
    if entitlement is not None and entitlement.entitlement_type == "boolean" and not pool.is_closed:
        return _of_feature(pool, line["resource_key"], line["workspace_id"]), -1
    record_lines(pool, [line], now_ms, answer, 0)
    if not answer.refused:
        return ALLOWED, -1
    _, code, remaining = answer.refused[0]
    return "not_entitled" if code == "unknown_key" else code, remaining  # What the pool never had it has not.


def _of_feature(pool: ResourcePool, key: str, workspace_id: str) -> str:
    """Features are held, not used."""
    override = override_of(pool, workspace_id, key)
    if pool.status == "suspended":
        return "pool_is_suspended"
    if pool.entitlements[key].value is None or (override is not None and not override.allowed):
        return "not_entitled"
    return ALLOWED


def asked_at(random: Random, pool: ResourcePool) -> int:
    """Now, or an instant until which nothing is due: what is due is in the read models as soon as it has happened."""
    until_ms = min(pool.due_ms - 1, pool.clock_ms + 400 * DAY_MS)
    steps = (0, 1, 3_600_000, DAY_MS, 40 * DAY_MS, NEVER_MS)
    return max(pool.clock_ms, min(until_ms, pool.clock_ms + random.choice(steps)))


def answered(connection: Connection, line: Any, at_ms: int) -> PoolAnswer:
    asked = reading.Member(
        pool_ids=[POOL], resource_key=line["resource_key"], workspace_id=line["workspace_id"],
        subject_id=line["subject_id"], at=from_ms(at_ms),
    )  # fmt: skip
    return check(connection, asked, line["quantity"]).decisive


@pytest.mark.parametrize("seed", range(40))
def test_check_answers_as_strict_usage_would_be_decided(connection: Connection, seed: int) -> None:
    random, ledger, codes = Random(seed), SyntheticLedger(partitions=1), Counter[str]()
    for timestamp_ms, command in whole_history(random, 60):
        write(connection, ledger.ask(timestamp_ms, command))
        pool = ledger.pool(POOL)
        assert pool is not None
        for _ in range(3):
            workspaces = ["", *pool.assignments]
            line = usage_line(
                random.choice((*KEYS, "calls", "calls", "monthly", "seats")),
                random.choice((1, 1, 2, 3, 5, 8, 13, 40)),
                workspace_id=random.choice(workspaces),
                subject_id=random.choice(("", "alice")),
            )
            at_ms = asked_at(random, pool)
            expected, answer = decided(pool, line, at_ms), answered(connection, line, at_ms)
            assert answer.code == expected[0], (expected, line, at_ms, command, answer)
            if answer.code == "quota_exceeded":
                assert answer.left is not None
                assert answer.left.together == expected[1], (expected, line, at_ms, command, answer)
            if answer.code == "member_cap_reached":
                assert expected[1] in [cap.left for cap in answer.caps], (expected, line, at_ms, command, answer)
            if answer.left is not None and answer.code in FITS:
                fits = answer.remaining is None or line["quantity"] <= answer.remaining
                assert fits == answer.allowed, (expected, line, at_ms, command, answer)
            codes[answer.code] += 1
    assert codes
