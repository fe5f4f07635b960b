"""What is read from the read models, on a real Postgres."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from entitlements.cli import dashboard
from entitlements.domain import commands as asks
from entitlements.domain.aggregate import from_ms, to_ms
from entitlements.domain.periods import Calendar, period_bounds
from entitlements.domain.plan_commands import CapMember, ClearOverride, ConfigureOnDemand, SetOverride
from entitlements.domain.usage_commands import AllocateLimit, ReserveUsage
from entitlements.domain.values import Constraints, KeyTerms
from entitlements_projections import reading
from entitlements_projections.database import Connection, connect
from entitlements_projections.errors import NotReachedYet
from entitlements_projections.migrations import migrate
from entitlements_projections.reading.views import pools_of_workspaces
from entitlements_projections.testing import (
    AT_MS,
    FEATURE,
    LIMIT,
    QUOTA,
    SyntheticLedger,
    all_frames,
    pool_with_a_plan,
    rules_of,
    usage_line,
    use,
    write,
)

DAY_MS = 86_400_000


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    migrate(database)
    with closing(connect(database)) as connection:
        yield connection


@pytest.mark.parametrize(
    "asked",
    [
        "select * from workspace_entitlements where workspace_id = 'ws' and resource_key = 'api_calls'",
        "select * from workspace_pools where organization_id = 'acme' and workspace_id = any('{ws}')",
        "select * from pool_entitlements(now()) where pool_id = any('{pool}')",
    ],
)
def test_one_workspace_or_pool_is_found_by_indexes_whatever_their_number(connection: Connection, asked: str) -> None:
    connection.execute(b"set enable_seqscan to off")
    plan = "\n".join(row[0] for row in connection.execute(f"explain {asked}".encode()).fetchall())
    assert "Function Scan" not in plan
    assert "Seq Scan" not in plan


def test_a_pool_is_read_with_all_that_was_said_of_it(connection: Connection) -> None:
    ledger = SyntheticLedger()
    pool_with_a_plan(ledger)
    at, later = from_ms(AT_MS + 10), from_ms(AT_MS + DAY_MS)
    said: dict[str, Any] = {"command_id": "s", "pool_id": "pool", "actor": "ops"}
    for_ws = {"workspace_id": "ws", "resource_key": QUOTA}
    ledger.ask(
        AT_MS + 1,
        CapMember(amount=40, period="hour", **for_ws, **said),
        CapMember(amount=7, subject_id="ann", **for_ws, **said),
        SetOverride(override_id="o", amount=30, reason="asked for", expires_at=later, **for_ws, **said),
        SetOverride(override_id="gone", resource_key=FEATURE, allowed=False, reason="by mistake", **said),
        ClearOverride(override_id="gone", **said),
        ConfigureOnDemand(resource_key=QUOTA, enabled=True, unit_price=7, price_per=3, spending_cap=100, **said),
        use("pool", usage_line(QUOTA, 48, workspace_id="ws", mode="report"), usage_line(QUOTA, 4)),
        ReserveUsage(reservation_id="r", resource_key=QUOTA, quantity=4, expires_at=later, **said),
        ReserveUsage(reservation_id="s", resource_key=LIMIT, quantity=1, expires_at=from_ms(AT_MS + 5), **said),
        AllocateLimit(resource_key=LIMIT, quantity=1, holder_id="ann", **said),
        AllocateLimit(resource_key=LIMIT, quantity=1, holder_id="bob", **said),
        asks.ReleaseUsage(resource_key=LIMIT, quantity=1, holder_id="bob", **said),
        CapMember(amount=9, workspace_id="ws", resource_key=LIMIT, **said),
        CapMember(amount=None, workspace_id="ws", resource_key=LIMIT, **said),
    )
    write(connection, all_frames(ledger))
    pool = reading.pool(connection, "pool", at)
    assert pool is not None

    def listed(name: str, *columns: str) -> list[tuple[Any, ...]]:
        return [tuple(row[column] for column in columns) for row in pool[name]]

    assert listed("overrides", "override_id", "customer_id", "amount", "drawn", "reason", "actor", "expires_at") == [
        ("o", "ws", 30, 48, "asked for", "ops", later)
    ]
    assert listed("caps", "customer_id", "subject_id", "amount", "period", "drawn", "reserved") == [
        ("ws", "", 40, "hour", 48, 0), ("ws", "ann", 7, "day", 0, 0),
    ]  # fmt: skip
    # Ann has drawn nothing yet, and yet it is known when her day ends.
    ends = [period_bounds(period, to_ms(at), Calendar())[1] for period in ("hour", "day")]
    assert listed("caps", "resets_at") == [(from_ms(end),) for end in ends]
    assert listed("reservations", "reservation_id", "held", "spending", "expires_at") == [("r", 4, 10, later)]
    assert listed("holders", "resource_key", "holder_id", "held") == [(LIMIT, "ann", 1)]
    assert listed("on_demand", "resource_key", "spent", "spending_reserved", "spending_cap") == [(QUOTA, 5, 10, 100)]
    assert listed("contributions", "resource_key", "provision_id", "included_limit", "kept", "is_feature") == [
        (QUOTA, "pro-1", 50, False, False), (FEATURE, "pro-1", None, False, True), (LIMIT, "pro-1", 5, False, False),
    ]  # fmt: skip
    assert (pool["time_zone"], pool["anchor_at"]) == ("UTC", None)


def test_what_is_paused_is_still_listed(connection: Connection) -> None:
    """A customer whose payment is late would else look as if it had bought nothing."""
    ledger, shown = SyntheticLedger(), []
    pool_with_a_plan(ledger)

    def status_of_all(*asked: Any) -> dict[str, str]:
        ledger.ask(AT_MS + 1 + len(shown), *asked)
        shown.append(asked)
        write(connection, all_frames(ledger))
        rows = reading.entitlements_of_pools(connection, ["pool"], from_ms(AT_MS + 1 + len(shown)))
        return {row["resource_key"]: dashboard.status_of(row) for row in rows}

    of_pool: dict[str, Any] = {"command_id": "s", "pool_id": "pool"}
    of_plan = of_pool | {"provision_id": "pro-1"}
    before = status_of_all()
    assert set(before) == {QUOTA, LIMIT, FEATURE}
    paused = dict.fromkeys(before, "SUSPENDED")
    assert status_of_all(asks.SuspendProvision(**of_plan)) == paused
    assert status_of_all(asks.ResumeProvision(**of_plan)) == before
    assert status_of_all(asks.SuspendPool(**of_pool)) == paused
    assert status_of_all(asks.ResumePool(**of_pool)) == before
    assert status_of_all(asks.EndProvision(when="now", **of_plan)) == {}


@pytest.mark.parametrize(
    ("starts", "ends", "status"),
    [
        (None, 0, "ACTIVE"),
        (None, -1, "UNAVAILABLE"),
        (1, None, "UNAVAILABLE"),
        (0, None, "ACTIVE"),
        (None, None, "ACTIVE"),
    ],
)
def test_a_key_is_unavailable_outside_of_its_dates(
    connection: Connection, starts: int | None, ends: int | None, status: str
) -> None:
    """Days from now; the whole second of end_date still counts."""
    ledger = SyntheticLedger()
    pool_with_a_plan(ledger)
    at = from_ms(AT_MS + 1)
    start, end = (None if days is None else at + timedelta(days=days) for days in (starts, ends))
    constraints = Constraints(start_date=start, end_date=end and end.replace(microsecond=0))
    key = asks.DefineResourceKey(
        command_id="dates",
        resource_key=FEATURE,
        name=FEATURE,
        data_type="boolean",
        terms=KeyTerms(entitlement_type="boolean", constraints=constraints),
    )
    ledger.ask(AT_MS, key)
    write(connection, all_frames(ledger))
    rows = reading.entitlements_of_pools(connection, ["pool"], at)
    assert {row["resource_key"]: dashboard.status_of(row) for row in rows}[FEATURE] == status


def test_a_period_that_has_ended_counts_nothing(connection: Connection) -> None:
    ledger = SyntheticLedger()
    pool_with_a_plan(ledger)
    ledger.ask(AT_MS + 1, use("pool", usage_line(QUOTA, 41, workspace_id="ws"), usage_line(LIMIT, 2)))
    write(connection, all_frames(ledger))

    def read(at: datetime) -> dict[str, Any]:
        rows = reading.entitlements_of_workspace(connection, "acme", "ws", at)
        return {row["resource_key"]: (row["effective_limit"], row["consumed"], row["remaining"]) for row in rows}

    assert read(from_ms(AT_MS + 2)) == {QUOTA: (50, 41, 9), LIMIT: (5, 2, 3), FEATURE: (None, None, None)}
    assert read(from_ms(AT_MS + DAY_MS - 1))[QUOTA] == (50, 41, 9)
    assert read(from_ms(AT_MS + DAY_MS)) == {QUOTA: (50, 0, 50), LIMIT: (5, 2, 3), FEATURE: (None, None, None)}
    (quota,) = [row for row in reading.entitlements_of_pools(connection, ["pool"], from_ms(AT_MS + 2)) if row["period"]]
    assert (quota["period_start"], quota["resets_at"]) == (from_ms(AT_MS), from_ms(AT_MS + DAY_MS))
    assert (quota["warned_at"], quota["exceeded_at"]) == (from_ms(AT_MS + 1), None)
    assert quota["provision_ids"] == ["pro-1"]


def test_the_present_of_a_pool_in_backfill_is_its_own_clock(connection: Connection) -> None:
    ledger = SyntheticLedger()
    past = from_ms(AT_MS) - timedelta(days=4000)
    usage = asks.RecordUsage(
        command_id="u", pool_id="old", effective_at=past + timedelta(hours=1), lines=[usage_line(QUOTA, 7)]
    )
    ledger.ask(
        AT_MS,
        asks.OpenPool(command_id="o", pool_id="old", organization_id="acme", backfill_from=past),
        asks.IssueGrant(
            command_id="g", pool_id="old", grant_id="g", reason="trial", actor="ann", set_id="pro", set_version=1,
            rules=rules_of(10), effective_at=past,
        ),
        usage,
    )  # fmt: skip
    write(connection, all_frames(ledger))
    (quota,) = [row for row in reading.entitlements_of_pools(connection, ["old"], from_ms(AT_MS)) if row["period"]]
    assert (quota["consumed"], quota["period_start"]) == (7, past)
    pool = reading.pool(connection, "old", from_ms(AT_MS))
    assert pool is not None
    assert (pool["backfilling"], pool["clock"], pool["grants"][0]["reason"]) == (
        True,
        past + timedelta(hours=1),
        "trial",
    )


def test_the_payer_is_the_provisions_and_nobody_pays_for_a_grant(connection: Connection) -> None:
    ledger = SyntheticLedger()
    pool_with_a_plan(ledger)
    ledger.ask(AT_MS + 1, use("pool", usage_line(QUOTA, 1)))
    grant = asks.IssueGrant(
        command_id="g",
        pool_id="free",
        grant_id="g",
        reason="trial",
        actor="ann",
        set_id="s",
        set_version=1,
        rules=rules_of(10),
    )
    ledger.ask(
        AT_MS, asks.OpenPool(command_id="o", pool_id="free", organization_id="acme", billing_account_id="bill-2"), grant
    )
    ledger.ask(AT_MS + 1, use("free", usage_line(QUOTA, 10), usage_line(QUOTA, 5, mode="report")))
    write(connection, all_frames(ledger))
    lines = b"select pool_id, provision_id, billing_account_id, overage from usage_events order by pool_id, line"
    assert connection.execute(lines).fetchall() == [
        ("free", "g", None, 0),
        ("free", "g", "bill-2", 5),
        ("pool", "pro-1", "bill", 0),
    ]


def test_the_primary_pool_is_the_one_most_recently_assigned_as_primary(connection: Connection) -> None:
    ledger = SyntheticLedger()
    roles = (
        ("z", "secondary"), ("a", "primary"), ("b", "secondary"), ("c", "primary"), ("d", "secondary"), ("e", "primary"),
    )  # fmt: skip
    for place, (pool_id, role) in enumerate(roles):
        opened = asks.OpenPool(command_id="o", pool_id=pool_id, organization_id="acme")
        assigned = asks.AssignWorkspace(command_id="a", pool_id=pool_id, workspace_id="ws", role=role)  # type: ignore[arg-type]
        ledger.ask(AT_MS + place, opened, assigned)
    ledger.ask(AT_MS + 9, asks.UnassignWorkspace(command_id="x", pool_id="e", workspace_id="ws"))
    write(connection, all_frames(ledger))
    pools = reading.pools_of_workspace(connection, "acme", "ws")
    assert [(row["pool_id"], row["is_primary"]) for row in pools] == [
        ("c", True),
        ("z", False),
        ("a", False),
        ("b", False),
        ("d", False),
    ]

    of_views = pools_of_workspaces(connection, "acme", ["ws"])
    assert [(row["pool_id"], row["role"] == "primary", row["pool_order"]) for row in of_views] == [
        (row["pool_id"], row["is_primary"], place) for place, row in enumerate(pools, 1)
    ]


def test_without_a_primary_pool_a_workspace_draws_on_its_pools_as_they_were_assigned(connection: Connection) -> None:
    ledger = SyntheticLedger()
    for place, pool_id in enumerate(("new", "b", "a")):
        pool_with_a_plan(ledger, pool_id, AT_MS + place)
        secondary = asks.AssignWorkspace(command_id="s", pool_id=pool_id, workspace_id="ws", role="secondary")
        ledger.ask(AT_MS + 10 + place, secondary)
    write(connection, all_frames(ledger))
    assert [row["pool_id"] for row in reading.pools_of_workspace(connection, "acme", "ws")] == ["new", "b", "a"]
    rows = reading.workspace_entitlements(connection, "acme", "ws", QUOTA)
    assert [(row["pool_id"], row["is_primary"]) for row in rows] == [("new", False), ("b", False), ("a", False)]


def test_the_newest_version_of_a_set_is_read_with_its_rules(connection: Connection) -> None:
    ledger = SyntheticLedger()
    for amount in (10, 20):
        ledger.ask(AT_MS, asks.DefineEntitlementSet(command_id="d", set_id="pro", name="Pro", rules=rules_of(amount)))
    write(connection, all_frames(ledger))
    newest, first = reading.entitlement_set(connection, "pro"), reading.entitlement_set(connection, "pro", 1)
    assert newest is not None
    assert first is not None
    assert (newest["set_version"], newest["rules"][2]["amount"], first["rules"][2]["amount"]) == (2, 20, 10)
    assert reading.entitlement_set(connection, "free") is None


def test_a_key_that_was_only_used_is_not_known_until_it_is_defined(connection: Connection) -> None:
    ledger = SyntheticLedger()
    pool_with_a_plan(ledger)
    write(connection, all_frames(ledger))
    assert reading.resource_key(connection, QUOTA) is None
    defining = asks.DefineResourceKey(
        command_id="k", resource_key=QUOTA, name="API calls", data_type="integer", unit="call"
    )
    write(connection, ledger.ask(AT_MS, defining))
    key = reading.resource_key(connection, QUOTA)
    assert key is not None
    assert (key["name"], key["unit"], key["scale"]) == ("API calls", "call", 0)


def test_the_busiest_customers_come_first(connection: Connection) -> None:
    ledger = SyntheticLedger()
    pool_with_a_plan(ledger)
    ledger.ask(AT_MS, asks.AssignWorkspace(command_id="a", pool_id="pool", workspace_id="ws-2", role="primary"))
    lines = [usage_line(QUOTA, quantity, workspace_id=who) for who, quantity in (("ws", 3), ("ws-2", 5), ("ws", 4))]
    ledger.ask(AT_MS + 1, use("pool", *lines, usage_line(LIMIT, 5, workspace_id="ws-2")))
    write(connection, all_frames(ledger))
    busiest = reading.busiest_customers(connection, QUOTA)
    assert [(row["workspace_id"], row["consumed"], row["lines"]) for row in busiest] == [("ws", 7, 2), ("ws-2", 5, 1)]
    assert reading.busiest_customers(connection, QUOTA, until=from_ms(AT_MS)) == []


def test_a_reader_who_waits_for_a_position_is_woken_when_it_is_reached(connection: Connection, database: str) -> None:
    ledger = SyntheticLedger(partitions=1)
    pool_with_a_plan(ledger)
    with closing(connect(database)) as other:
        with pytest.raises(NotReachedYet, match="is at -1, not at 0"):
            reading.wait_for(connection, 0, 0, 0.05)
        writer = threading.Timer(0.2, write, (other, all_frames(ledger)))
        writer.start()
        started = time.monotonic()
        reading.wait_for(connection, 0, 0, 10)
        assert time.monotonic() - started < 6
        writer.join()
    reading.wait_for(connection, 0, 0, 0)


def test_instants_are_read_in_utc(connection: Connection) -> None:
    ledger = SyntheticLedger()
    pool_with_a_plan(ledger)
    write(connection, all_frames(ledger))
    (at,) = connection.execute(b"select opened_at from resource_pools").fetchone() or (None,)
    assert at == from_ms(AT_MS)
    assert at.tzinfo is not None
    assert at.utcoffset() == datetime.now(UTC).utcoffset()


def test_a_workspace_sees_its_pools_in_order_with_its_caps_overrides_and_what_is_reserved(
    connection: Connection,
) -> None:
    ledger = SyntheticLedger()
    now_ms = to_ms(datetime.now(UTC)) - 1_000
    for pool_id, later_ms in (("old", 0), ("new", 10)):
        pool_with_a_plan(ledger, pool_id, now_ms + later_ms)
    later = from_ms(now_ms + DAY_MS)
    said: dict[str, Any] = {"command_id": "s", "pool_id": "new", "actor": "ops"}
    ledger.ask(
        now_ms + 20,
        use("new", usage_line(QUOTA, 41)),
        ReserveUsage(reservation_id="r", resource_key=QUOTA, quantity=4, expires_at=later, **said),
        CapMember(workspace_id="ws", resource_key=QUOTA, amount=9, period="hour", **said),
        SetOverride(
            override_id="no", resource_key=FEATURE, workspace_id="ws", allowed=False, reason="asked for", **said
        ),
    )
    write(connection, all_frames(ledger))

    at = datetime.now(UTC)
    rows = reading.workspace_entitlements(connection, "acme", "ws", at=at)
    assert [(row["pool_order"], row["pool_id"], row["resource_key"]) for row in rows] == [
        (place, pool_id, key) for place, pool_id in ((1, "new"), (2, "old")) for key in sorted((QUOTA, LIMIT, FEATURE))
    ]
    found = {(row["pool_id"], row["resource_key"]): row for row in rows}
    quota = found["new", QUOTA]
    names = ("held", "effective_limit", "consumed", "reserved", "remaining", "cap", "cap_period")
    assert tuple(quota[name] for name in names) == (True, 50, 41, 4, 5, 9, "hour")
    assert found["old", QUOTA]["resets_at"] == quota["resets_at"]
    assert found["old", QUOTA]["cap"] is None
    assert (found["new", FEATURE]["held"], found["old", FEATURE]["held"]) == (False, True)
    assert found["new", FEATURE]["workspace_override_id"] == "no"
    assert reading.workspace_entitlements(connection, "acme", "ws", LIMIT, at) == [
        found["new", LIMIT],
        found["old", LIMIT],
    ]
    pools = [row["pool_id"] for row in reading.pools_of_workspace(connection, "acme", "ws")]
    assert pools == ["new", "old"]


def test_workspaces_of_one_id_in_two_organizations_are_two_each_with_a_primary_pool(connection: Connection) -> None:
    ledger, now_ms = SyntheticLedger(), to_ms(datetime.now(UTC)) - 1_000
    for place, (pool_id, organization) in enumerate((("a1", "acme"), ("r1", "rival"), ("a2", "acme"), ("r2", "rival"))):
        pool_with_a_plan(ledger, pool_id, now_ms + place, organization)
    ledger.ask(
        now_ms + 9,
        use("a2", usage_line(QUOTA, 3, workspace_id="ws")),
        use("r2", usage_line(QUOTA, 5, workspace_id="ws")),
    )
    write(connection, all_frames(ledger))
    view = connection.execute(
        b"select organization_id, pool_order, pool_id, consumed from workspace_entitlements"
        b" where workspace_id = 'ws' and resource_key = 'api_calls' order by 1, 2"
    ).fetchall()
    assert view == [("acme", 1, "a2", 3), ("acme", 2, "a1", 0), ("rival", 1, "r2", 5), ("rival", 2, "r1", 0)]
    assert reading.organizations_of_workspace(connection, "ws") == ["acme", "rival"]
    assert reading.organizations_of_workspace(connection, "nobody") == []
    for organization, pools in (("acme", ["a2", "a1"]), ("rival", ["r2", "r1"])):
        found = reading.pools_of_workspace(connection, organization, "ws")
        assert [(row["pool_id"], row["is_primary"]) for row in found] == [(pools[0], True), (pools[1], False)]
        rows = reading.entitlements_of_workspace(connection, organization, "ws", datetime.now(UTC))
        assert list(dict.fromkeys(row["pool_id"] for row in rows)) == pools
        assert {row["pool_id"] for row in reading.workspace_entitlements(connection, organization, "ws")} == set(pools)
    busiest = reading.busiest_customers(connection, QUOTA)
    assert [(row["organization_id"], row["workspace_id"], row["consumed"]) for row in busiest] == [
        ("rival", "ws", 5), ("acme", "ws", 3),
    ]  # fmt: skip


def test_every_column_of_the_view_for_analysts_says_what_it_is_and_the_organization_comes_first(
    connection: Connection,
) -> None:
    columns = connection.execute(
        b"select column_name, col_description('workspace_entitlements'::regclass, ordinal_position::int)"
        b" from information_schema.columns where table_schema = current_schema() and table_name = 'workspace_entitlements'"
        b" order by ordinal_position"
    ).fetchall()
    assert columns[0][0] == "organization_id"
    assert len(columns) > 40
    assert [name for name, comment in columns if not comment] == []
