"""What is owed, in Postgres: the read models owe what the domain owes, in each period, whatever made it so and whether it is told or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from entitlements import examples as ask
from entitlements import examples_of_terms as terms
from entitlements.access.checking import check
from entitlements.cli import dashboard
from entitlements.cli.showing import why_kept
from entitlements.domain.aggregate import to_ms
from entitlements_projections import reading
from entitlements_projections.database import Connection, connect
from entitlements_projections.migrations import migrate
from entitlements_projections.testing import SyntheticLedger, write

RULE = ask.quota("api_calls", 0, hard_limit=100, period="month", overage_at_reset="preserve", grace_for=2_000_000)


def on(month: int, day: int) -> datetime:
    return datetime(2027, month, day, tzinfo=UTC)


OPENED = [(on(3, 5), ask.open_pool()), (on(3, 5), ask.provision_pool("s", RULE))]
LATE = ask.line("api_calls", 50, "report", occurred_at=on(3, 10))


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    migrate(database)
    with closing(connect(database)) as connection:
        yield connection


@pytest.mark.parametrize(
    "log",
    [
        [(on(4, 2), ask.record_usage(LATE))],
        [(on(4, 2), terms.correct_usage(50, resource_key="api_calls", occurred_at=on(3, 10)))],
        [
            (on(3, 10), ask.record_usage(ask.line("api_calls", 90, "report", occurred_at=on(3, 10)))),
            (on(4, 2), terms.correct_usage(-40, resource_key="api_calls", occurred_at=on(3, 10))),
        ],
        [(on(3, 10), ask.record_usage(LATE)), (on(4, 2), terms.forgive_overage(amount=20))],
    ],
    ids=["late usage", "a correction up", "a correction down", "forgiven"],
)
def test_what_is_owed_of_a_closed_period_is_owed_in_every_period_that_follows(
    connection: Connection, log: list[tuple[datetime, Any]]
) -> None:
    """No event tells of the reset on 1 May: nothing of what the read models carry becomes another."""
    ledger = SyntheticLedger(partitions=1)
    for number, (at, command) in enumerate([*OPENED, *log]):
        write(connection, ledger.ask(to_ms(at), replace(command, command_id=f"c-{number}")))
    pool = ledger.pool(ask.POOL)
    assert pool is not None
    for at in (on(4, 3), on(5, 2)):
        assert pool.due_ms > to_ms(at)
        total = pool.entitlements["api_calls"].total_at(to_ms(at))
        (row,) = reading.key_of_pools(connection, [ask.POOL], ["api_calls"], at)
        assert 0 < row["owed"] == total["owed"]
        assert row["consumed"] == total["consumed"]
        member = reading.Member(pool_ids=[ask.POOL], resource_key="api_calls", organization_id="acme", at=at)
        may_owe = 100 - total["owed"]
        assert check(connection, member, may_owe).decisive.allowed
        assert check(connection, member, may_owe + 1).decisive.code == "quota_exceeded"


@pytest.mark.parametrize(
    ("command", "status", "contribution"),
    [
        (ask.suspend_provision("s"), "SUSPENDED", "suspended"),
        (ask.end_provision("s"), "ENDED", "ended"),
        (ask.suspend_pool(), "SUSPENDED", "the pool is suspended"),
    ],
)
def test_what_is_owed_is_shown_while_nothing_is_included(
    connection: Connection, command: Any, status: str, contribution: str
) -> None:
    """A key that nobody includes any more stays on the dashboard while something of it was used or is owed."""
    rule = ask.quota("api_calls", 5, hard_limit=100, period="month")
    used = ask.record_usage(ask.line("api_calls", 8, "report", occurred_at=on(3, 6)))
    ledger = SyntheticLedger(partitions=1)
    for number, each in enumerate([ask.open_pool(), ask.provision_pool("s", rule), used, command]):
        write(connection, ledger.ask(to_ms(on(3, 6)), replace(each, command_id=f"c-{number}")))
    pool = reading.pool(connection, ask.POOL, on(3, 7))
    assert pool is not None
    (row,) = pool["entitlements"]
    assert (row["held"], row["consumed"], row["owed"], row["effective_limit"], row["remaining"]) == (False, 8, 3, 0, 0)
    assert dashboard.status_of(row) == status
    assert [why_kept(each) for each in pool["contributions"]] == [contribution]
    after = reading.pool(connection, ask.POOL, on(4, 7))
    assert after is not None
    # In the next period nothing is owed: what is suspended is still shown, what has ended is not.
    shown = [(dashboard.status_of(each), each["owed"]) for each in after["entitlements"]]
    assert shown == ([] if status == "ENDED" else [(status, 0)])
