"""What `check` answers from the read models is what the domain would decide: on generated histories of the whole domain."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "domain"))

from generated import Logged
from generated_whole import KEYS, WholeAuthor, whole_history
from tests.nightly import NIGHTLY

from entitlements.access.checking import ALLOWED, PoolAnswer, check
from entitlements.cli import checking
from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.commands import AssignWorkspace
from entitlements.domain.decide import advance
from entitlements.domain.lines import UsageAnswer
from entitlements.domain.members import override_of
from entitlements.domain.plan_commands import CapMember, SetOverride
from entitlements.domain.pools import ResourcePool
from entitlements.domain.suspension import why_not_entitled
from entitlements.domain.usage import record_lines
from entitlements_projections import reading
from entitlements_projections.database import Connection, connect
from entitlements_projections.migrations import migrate
from entitlements_projections.testing import (
    FEATURE,
    QUOTA,
    SyntheticLedger,
    all_frames,
    pool_with_a_plan,
    usage_line,
    use,
    write,
)

POOL = "pool-0"
#: Answers that are a matter of how much.
FITS = ("allowed", "quota_exceeded", "member_cap_reached")
DAY_MS = 86_400_000


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    migrate(database)
    with closing(connect(database)) as connection:
        yield connection


class AuthorOfMembers(WholeAuthor):
    """Writes histories in which members draw under caps and overrides of their workspace most of the time."""

    asked = (*["cap"] * 5, *["override"] * 2, "calendar", "reset", "clear", "reverse", "reserve", "commit", "unassign",
             "assign", "assign", "on_demand", *["usage"] * 12)  # fmt: skip

    def _line(self) -> Any:
        drawn = {"workspace_id": "w-0", "subject_id": self.random.choice(("", "alice"))}
        return super()._line() | {"resource_key": self.random.choice(("calls", "calls", "monthly"))} | drawn

    def cap(self) -> Any:
        asked: Any = super().cap()
        return replace(asked, workspace_id="w-0", amount=self.random.choice((None, 9, 30, 90)))


def history_of(random: Random, seed: int) -> list[Logged]:
    """Every other one is of members."""
    return AuthorOfMembers(random, 1).write(60) if seed % 2 else whole_history(random, 60)


def decided(pool: ResourcePool, line: Any, at_ms: int) -> tuple[str, int]:
    """What becomes of strict usage at an instant: allowed or the code of the refusal, and what would be taken."""
    pool, answer = deepcopy(pool), UsageAnswer()
    now_ms = advance(pool, "c", "", pool.clock_ms if pool.is_backfilling else None, at_ms)
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
    if override is not None and not override.allowed:
        return "not_entitled"
    entitlement = pool.entitlements[key]
    if entitlement.value is None:
        return "not_entitled" if entitlement.buckets else why_not_entitled(pool, key, workspace_id).code
    return ALLOWED


def asked_at(random: Random, pool: ResourcePool) -> int:
    """Now, or an instant until which nothing is due: what is due is in the read models as soon as it has happened."""
    until_ms = min(pool.due_ms - 1, pool.clock_ms + 400 * DAY_MS)
    steps = (0, 1, 3_600_000, DAY_MS, 40 * DAY_MS, NEVER_MS)
    return max(pool.clock_ms, min(until_ms, pool.clock_ms + random.choice(steps)))


def answered(connection: Connection, line: Any, at_ms: int) -> PoolAnswer:
    asked = reading.Member(
        pool_ids=[POOL], resource_key=line["resource_key"], organization_id="acme", workspace_id=line["workspace_id"],
        subject_id=line["subject_id"], at=from_ms(at_ms),
    )  # fmt: skip
    return check(connection, asked, line["quantity"]).decisive


def opened(ledger: SyntheticLedger, pool_id: str, at_ms: int, *, amount: int, may_overflow: bool) -> None:
    """A pool with calls, which a workspace uses after those that were opened before; the feature is only in pools of 7."""
    pool_with_a_plan(ledger, pool_id, at_ms)
    said: dict[str, Any] = {"command_id": "c", "pool_id": pool_id, "actor": "ops"}
    secondary = AssignWorkspace(workspace_id="ws", role="secondary", may_overflow=may_overflow, **said)
    for_all = SetOverride(override_id="o", resource_key=QUOTA, amount=amount, reason="asked for", **said)
    taken = SetOverride(
        override_id="p", resource_key=FEATURE, workspace_id="ws", allowed=False, reason="safety", **said
    )
    ledger.ask(at_ms, secondary, for_all, *([] if amount == 7 else [taken]))


@pytest.mark.parametrize(
    ("overflows", "key", "quantity", "code", "pool_id", "passed_over"),
    [
        ((True, True), QUOTA, 3, "allowed", "a", []),
        ((True, True), QUOTA, 6, "allowed", "b", ["a"]),
        ((False, True), QUOTA, 6, "quota_exceeded", "a", []),
        ((True, True), QUOTA, 8, "quota_exceeded", "a", ["b"]),
        ((False, False), FEATURE, 1, "allowed", "b", ["a"]),
        ((False, False), "exports", 1, "not_entitled", "a", ["b"]),
    ],
)
def test_the_first_pool_that_allows_answers_and_usage_overflows_only_where_it_may(
    connection: Connection,
    overflows: tuple[bool, bool],
    key: str,
    quantity: int,
    code: str,
    pool_id: str,
    passed_over: list[str],
) -> None:
    ledger, now_ms = SyntheticLedger(), to_ms(datetime.now(UTC)) - 1_000
    for place, (name, amount) in enumerate((("a", 5), ("b", 7))):
        opened(ledger, name, now_ms + place, amount=amount, may_overflow=overflows[place])
    write(connection, all_frames(ledger))
    pools = reading.pools_of_workspace(connection, "acme", "ws")
    asked = reading.Member(
        pool_ids=[row["pool_id"] for row in pools], resource_key=key, organization_id="acme", workspace_id="ws"
    )
    answer = check(connection, asked, quantity, [row["may_overflow"] for row in pools])
    assert (answer.decisive.code, answer.decisive.pool_id) == (code, pool_id)
    assert [pool.pool_id for pool in answer.pools if pool is not answer.decisive] == passed_over


def test_an_answer_names_the_override_that_decides_its_caps_and_its_contributions(connection: Connection) -> None:
    ledger, now_ms = SyntheticLedger(), to_ms(datetime.now(UTC)) - 1_000
    pool_with_a_plan(ledger, "p", now_ms)
    said: dict[str, Any] = {"command_id": "c", "pool_id": "p", "actor": "ops"}
    ledger.ask(
        now_ms,
        SetOverride(override_id="o", resource_key=QUOTA, workspace_id="ws", amount=30, reason="asked for", **said),
        CapMember(workspace_id="ws", resource_key=QUOTA, amount=9, **said),
        CapMember(workspace_id="ws", subject_id="ann", resource_key=QUOTA, amount=20, **said),
        use("p", usage_line(QUOTA, 12, workspace_id="ws", subject_id="ann")),
    )
    write(connection, all_frames(ledger))
    asked = reading.Member(
        pool_ids=["p"], resource_key=QUOTA, organization_id="acme", workspace_id="ws", subject_id="ann"
    )
    answer = check(connection, asked, 9).decisive
    assert (answer.code, answer.remaining) == ("member_cap_reached", 8)
    assert answer.override is not None
    assert [answer.override[name] for name in ("override_id", "reason", "actor")] == ["o", "asked for", "ops"]
    assert [(cap.subject_id, cap.override_id, cap.amount, cap.drawn, cap.left) for cap in answer.caps] == [
        ("", "o", 30, 12, 18), ("ann", "", 20, 12, 8),
    ]  # fmt: skip
    assert [(row["provision_id"], row["included_limit"], row["set_id"]) for row in answer.contributions] == [
        ("pro-1", 50, "pro")
    ]
    assert check(connection, asked, 8).decisive.allowed


def test_check_says_what_is_owed(connection: Connection, capsys: pytest.CaptureFixture[str]) -> None:
    ledger, now_ms = SyntheticLedger(), to_ms(datetime.now(UTC)) - 1_000
    pool_with_a_plan(ledger, "p", now_ms)
    ledger.ask(now_ms, use("p", usage_line(QUOTA, 57, mode="report", workspace_id="ws")))
    write(connection, all_frames(ledger))
    asked = reading.Member(pool_ids=["p"], resource_key=QUOTA, organization_id="acme", workspace_id="ws")
    answer = check(connection, asked, 1).decisive
    found = checking._document(asked, 1, answer, 0)
    assert (found["consumed"], found["owed"]) == (57, 7)
    place = {"partition": 0, "offset": 0, "decided_at": None}
    checking._show(found | {"role": None, "skipped": [], "policies": [], "as_of": place}, answer, 0)
    assert "Owed 7" in [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("seed", range(400 if NIGHTLY else 8))
def test_check_answers_as_strict_usage_would_be_decided(connection: Connection, seed: int) -> None:
    random, ledger, codes = Random(seed), SyntheticLedger(partitions=1), Counter[str]()
    for timestamp_ms, command in history_of(random, seed):
        write(connection, ledger.ask(timestamp_ms, command))
        pool = ledger.pool(POOL)
        assert pool is not None
        for _ in range(3):
            workspaces = ["", *pool.assignments, *["w-0"] * 4 * ("w-0" in pool.assignments)]
            line = usage_line(
                random.choice((*KEYS, *["calls", "monthly"] * 5, "seats")),
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
                assert answer.remaining == expected[1], (expected, line, at_ms, command, answer)
            if answer.left is not None and answer.code in FITS:
                fits = answer.remaining is None or line["quantity"] <= answer.remaining
                assert fits == answer.allowed, (expected, line, at_ms, command, answer)
            codes[answer.code] += 1
    assert codes
