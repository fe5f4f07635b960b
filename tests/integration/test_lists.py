"""Lists of the read models on a real Postgres: whatever is walked, in pages of any size and both ways, while rows are inserted."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from psycopg import sql

from entitlements import testing
from entitlements_projections.database import Connection, Row, connect
from entitlements_projections.migrations import migrate
from entitlements_projections.reading import cursors, lists
from entitlements_projections.reading.cursors import InvalidCursor, Place
from entitlements_projections.reading.listing import FilterTooBroad, Listing, every_row, page, query_of
from entitlements_projections.testing import SyntheticLedger, random_history, write

LISTS = [found for found in vars(lists).values() if isinstance(found, Listing)]
BY_NAME = {found.name: found for found in LISTS}
#: Three instants for all rows of an organization.
INSTANTS = [datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours) for hours in range(3)]
MINE = {"organization_id": "mine"}


@pytest.fixture(scope="module")
def tables(postgres: str) -> Iterator[Connection]:
    with testing.a_database(postgres) as database:
        migrate(database)
        with closing(connect(database)) as connection:
            yield connection


@pytest.fixture(scope="module")
def lived(postgres: str) -> Iterator[Connection]:
    """Tables that were filled by what happened to some pools and organizations."""
    with testing.a_database(postgres) as database:
        migrate(database)
        ledger = SyntheticLedger()
        random_history(ledger, Random(12), 400)
        with closing(connect(database)) as connection:
            write(connection, *ledger.interleaved(Random(1), 400))
            yield connection


@pytest.fixture
def connection(tables: Connection) -> Iterator[Connection]:
    """Tables that are empty again afterwards."""
    with tables.transaction(force_rollback=True):
        yield tables


# --- Rows ----------------------------------------------------------------------------------------------------------------


def an_id(random: Random) -> str:
    """An id of characters that collations sort in ways of their own."""
    return "".join(random.choices("aAbB-_ é1:", k=12))


def insert(connection: Connection, name: str, random: Random, organization: str = "mine") -> None:
    """A row of a list, at one of three instants."""
    at, pool = random.choice(INSTANTS), f"pool-{random.randint(0, 2)}"
    if name == "pools":
        _insert(
            connection,
            "resource_pools",
            pool_id=an_id(random),
            organization_id=organization,
            name="",
            status="open",
            status_reason="",
            status_actor="",
            opened_at=at,
            status_at=at,
            backfilling=False,
            time_zone="UTC",
            clock=at,
            version=1,
        )
        return
    if name == "api_keys":
        _insert(
            connection,
            "api_keys",
            organization_id=organization,
            key_id=an_id(random),
            secret_sha256="0" * 64,
            name="",
            scopes=["read"],
            act_for=[],
            acts_for_all=False,
            unit_id="",
            created_at=at,
            actor="",
            version=1,
        )
        return
    pool = f"{organization}-{pool}"
    _insert(
        connection,
        "resource_pools",
        "on conflict do nothing",
        pool_id=pool,
        organization_id=organization,
        name="",
        status="open",
        status_reason="",
        status_actor="",
        opened_at=at,
        status_at=at,
        backfilling=False,
        time_zone="UTC",
        clock=at,
        version=1,
    )
    of_pool = {"pool_id": pool, "organization_id": organization, "version": 1}
    if name == "provisions":
        _insert(
            connection,
            "pool_provisions",
            provision_id=an_id(random),
            source="purchase",
            source_id="",
            set_id="s",
            set_version=1,
            quantity=1,
            status="active",
            starts_at=at,
            priority=0,
            follows=False,
            scheduled_at=at,
            status_reason="",
            actor="",
            **of_pool,
        )
    elif name == "grants":
        _insert(
            connection,
            "grants",
            grant_id=an_id(random),
            status="issued",
            reason="",
            actor="",
            issued_at=at,
            starts_at=at,
            **of_pool,
        )
    elif name == "customers":
        _insert(
            connection,
            "pool_assignments",
            "on conflict do nothing",
            workspace_id=an_id(random),
            role="primary",
            may_overflow=False,
            assigned_at=at,
            reason="",
            actor="",
            **of_pool,
        )
    else:
        assert name == "usage"
        connection.execute(
            b"insert into resource_keys (resource_key, version) values ('calls', 1) on conflict do nothing"
        )
        connection.execute(b"select add_usage_month('2026-01-01')")
        _insert(connection, "usage_events", **of_pool | {"version": random.getrandbits(40)}, line=random.randint(0, 3), part=0,
                occurred_at=at, recorded_at=at, resource_key="calls", quantity=1, overage=0, mode="report", late=False,
                bearer="included", charge=0)  # fmt: skip


def _insert(connection: Connection, table: str, more: str = "", **row: Any) -> None:
    query = sql.SQL("insert into {} ({}) values ({}) {}").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join(map(sql.Placeholder, row)),
        sql.SQL(more),  # type: ignore[arg-type]
    )
    connection.execute(query, row)


def keys_of(listing: Listing, rows: list[Row]) -> list[tuple[Any, ...]]:
    """What tells rows of a list apart; its sort key, but where that is hidden."""
    names = [name for name in listing.key if name not in listing.hidden]
    return [(*(row[name] for name in names), *_more(listing, row)) for row in rows]


def _more(listing: Listing, row: Row) -> tuple[Any, ...]:
    return (row["unit_id"], row["customer_id"]) if listing.name == "members" else ()


def walk(
    listing: Listing, read: Callable[..., Any], cursor: str | None, way: str, sizes: Callable[[], int]
) -> tuple[list[Any], str | None]:
    """All rows from a cursor on, in the order in which they are met; and the cursor by which the last page was read."""
    met: list[Any] = []
    last: str | None = None
    while True:
        found = read(limit=sizes(), cursor=cursor)
        rows = keys_of(listing, found.items)
        met += rows if way == "next" else rows[::-1]
        last, cursor = cursor, getattr(found, way)
        if cursor is None:
            return met, last


# --- What holds of pages --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["pools", "provisions", "grants", "usage", "api_keys", "customers"])
def test_rows_of_one_instant_are_met_once_both_ways_whatever_is_inserted_meanwhile(
    connection: Connection, name: str, seed: int
) -> None:
    random, listing = Random(f"{name}{seed}"), BY_NAME[name]
    for _ in range(40):
        insert(connection, name, random)
        insert(connection, name, random, "others")

    def present() -> list[tuple[Any, ...]]:
        return keys_of(listing, page(connection, listing, MINE, limit=1_000).items)

    def size() -> int:
        if random.random() < 0.4:
            insert(connection, name, random)
        return random.randint(1, 6)

    def read(**how: Any) -> Any:
        return page(connection, listing, MINE, **how)

    before = present()
    forward, last = walk(listing, read, None, "next", size)
    assert len(set(forward)) == len(forward)
    assert set(before) <= set(forward)
    assert forward == [key for key in present() if key in set(forward)], "in the order of the list"

    before = present()
    back_from = read(limit=3, cursor=last)
    backward, _ = walk(listing, read, back_from.previous, "previous", size)
    assert len(set(backward)) == len(backward)
    first_seen = keys_of(listing, back_from.items)[0] if back_from.items else None
    expected = before[: before.index(first_seen)] if first_seen else before
    assert set(expected) <= set(backward)
    assert backward[::-1] == [key for key in present() if key in set(backward)]


@pytest.mark.parametrize("name", ["pools", "customers"])
def test_from_every_page_there_is_a_way_back_to_the_one_before(connection: Connection, name: str) -> None:
    random, listing = Random(name), BY_NAME[name]
    for _ in range(10):
        insert(connection, name, random)
    first = page(connection, listing, MINE, limit=4)
    second = page(connection, listing, MINE, limit=4, cursor=first.next)
    third = page(connection, listing, MINE, limit=4, cursor=second.next)
    assert (first.previous, third.next, len(third.items)) == (
        None,
        None,
        len(page(connection, listing, MINE).items) - 8,
    )
    assert page(connection, listing, MINE, limit=4, cursor=third.previous).items == second.items
    again = page(connection, listing, MINE, limit=4, cursor=second.previous)
    assert (again.items, again.previous) == (first.items, None)
    assert page(connection, listing, MINE, limit=4, cursor=again.next).items == second.items


def test_a_page_whose_rows_are_gone_still_leads_back(connection: Connection) -> None:
    random = Random(3)
    for _ in range(6):
        insert(connection, "pools", random)
    open_ = MINE | {"status": "open"}
    first = page(connection, lists.POOLS, open_, limit=3)
    rest = [row["pool_id"] for row in page(connection, lists.POOLS, open_, cursor=first.next).items]
    connection.execute("update resource_pools set status = 'closed' where pool_id = any(%s)", (rest,))
    empty = page(connection, lists.POOLS, open_, limit=3, cursor=first.next)
    assert (empty.items, empty.next) == ([], None)
    assert page(connection, lists.POOLS, open_, limit=3, cursor=empty.previous).items == first.items


# --- Filters ---------------------------------------------------------------------------------------------------------------

#: Filters that are no column of their name.
OF_THEIR_OWN = {
    "since",
    "until",
    "customer_id",
    "pool_id",
    "own_pool_id",
    "organization_id",
    "newest",
    "unit_id",
    "resource_key",
}


def organizations(connection: Connection) -> list[str]:
    rows = connection.execute(
        b"""select distinct organization_id from (
            select organization_id from resource_pools union all select organization_id from organization_units
            union all select organization_id from api_keys) o order by 1"""
    )
    return [row[0] for row in rows]


@pytest.mark.parametrize("listing", LISTS, ids=lambda listing: listing.name)
def test_a_filter_leaves_exactly_the_rows_that_say_so(lived: Connection, listing: Listing) -> None:
    names = organizations(lived) if "organization_id" in listing.filters and listing.name != "campaigns" else [None]
    whole = {name: list(every_row(lived, listing, {"organization_id": name})) for name in names}
    assert sum(map(len, whole.values())), "the history has some"
    for organization, rows in whole.items():
        for name in listing.filters.keys() - OF_THEIR_OWN:
            for value in {row[name] for row in rows if row[name] is not None}:
                found = list(every_row(lived, listing, {"organization_id": organization, name: value}))
                assert found == [row for row in rows if row[name] == value], (name, value)
        if "since" in listing.filters:
            instant = next(iter(listing.key))
            for at in {row[instant] for row in rows}:
                since = list(every_row(lived, listing, {"organization_id": organization, "since": at}))
                until = list(every_row(lived, listing, {"organization_id": organization, "until": at}))
                assert since == [row for row in rows if row[instant] >= at]
                assert since + until == rows


def test_filters_by_pool_customer_unit_and_key(lived: Connection) -> None:
    acme = {"organization_id": "acme"}
    customers = list(every_row(lived, lists.CUSTOMERS, acme))
    assert {row["status"] for row in customers} <= {"active", "inactive"}
    for customer in customers:
        mine = acme | {"customer_id": customer["customer_id"]}
        assert {row["pool_id"] for row in every_row(lived, lists.POOLS, mine)} == set(customer["pool_ids"])
        for listing in (lists.PROVISIONS, lists.GRANTS):
            rows = every_row(lived, listing, acme)
            assert list(every_row(lived, listing, mine)) == [
                row for row in rows if row["pool_id"] in customer["pool_ids"]
            ]
        used = [row for row in every_row(lived, lists.USAGE, acme) if row["customer_id"] == customer["customer_id"]]
        assert list(every_row(lived, lists.USAGE, mine)) == used
    for pool in every_row(lived, lists.POOLS, acme):
        of_pool = acme | {"pool_id": pool["pool_id"]}
        found = list(every_row(lived, lists.CUSTOMERS, of_pool))
        assert found == [row for row in customers if pool["pool_id"] in row["pool_ids"]]
        for listing in (lists.PROVISIONS, lists.GRANTS, lists.USAGE):
            rows = every_row(lived, listing, acme)
            assert list(every_row(lived, listing, of_pool)) == [
                row for row in rows if row["pool_id"] == pool["pool_id"]
            ]
        # Whoever names another organization's pool learns nothing of who uses it.
        assert not list(every_row(lived, lists.CUSTOMERS, of_pool | {"organization_id": "org-0"}))
        asked = {"organization_id": "org-0", "own_pool_id": pool["pool_id"]}
        assert not list(every_row(lived, lists.CAMPAIGNS, asked))
    for row in every_row(lived, lists.PROVISIONS, acme):
        for key in row["resource_keys"]:
            assert row in list(
                every_row(lived, lists.PROVISIONS, acme | {"resource_key": key, "pool_id": row["pool_id"]})
            )


def test_a_unit_is_seen_with_all_units_below_it_and_nothing_else(lived: Connection) -> None:
    met = 0
    for organization in ("org-0", "org-1"):
        mine = {"organization_id": organization}
        units = {row["unit_id"]: row for row in every_row(lived, lists.UNITS, mine) if row["status"] == "active"}

        def inside(unit: str | None, top: str, units: dict[str, Row] = units) -> bool:
            return unit in units and (unit == top or inside(units[unit]["parent_unit_id"], top))

        customers = list(every_row(lived, lists.CUSTOMERS, mine))
        within = {row["customer_id"]: row["unit_id"] for row in customers}
        for top in units:
            bounds = {"within_unit": top}
            expected = [row for row in customers if inside(row["unit_id"], top)]
            assert list(every_row(lived, lists.CUSTOMERS, mine, bounds=bounds)) == expected
            assert list(every_row(lived, lists.CUSTOMERS, mine | {"unit_id": top})) == expected
            shown = {row["unit_id"] for row in every_row(lived, lists.UNITS, mine, bounds=bounds)}
            assert shown == {unit for unit in units if inside(unit, top)}
            members = [
                row for row in every_row(lived, lists.MEMBERS, mine)
                if inside(row["unit_id"], top) or inside(within.get(row["customer_id"]), top)
            ]  # fmt: skip
            assert list(every_row(lived, lists.MEMBERS, mine, bounds=bounds)) == members
            met += len(expected) + len(members)
            for other in units:
                both = list(every_row(lived, lists.CUSTOMERS, mine | {"unit_id": other}, bounds=bounds))
                assert both == [row for row in expected if inside(row["unit_id"], other)]
    assert met, "the history has customers and members in units"


# --- Cursors ---------------------------------------------------------------------------------------------------------------


def test_a_cursor_is_refused_with_another_list_organization_or_filter(lived: Connection) -> None:
    acme = {"organization_id": "acme"}
    cursor = page(lived, lists.POOLS, acme, limit=1).next
    assert cursor is not None
    assert page(lived, lists.POOLS, acme | {"status": None}, cursor=cursor).items, "no value is no filter"
    for filters in (acme | {"status": "open"}, {"organization_id": "org-0"}, {}):
        with pytest.raises(InvalidCursor):
            page(lived, lists.POOLS, filters, cursor=cursor)
    for listing in LISTS:
        if listing is not lists.POOLS:
            with pytest.raises(InvalidCursor):
                page(lived, listing, acme, cursor=cursor)


def test_a_cursor_names_its_sort_key(lived: Connection) -> None:
    cursor = str(page(lived, lists.POOLS, {"organization_id": "acme"}, limit=1).next)
    assert json.loads(base64.urlsafe_b64decode(cursor + "=="))[:2] == ["pools", ["opened_at", "pool_id"]]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_somebody_makes_of_a_cursor_is_a_page_or_refused(lived: Connection, seed: int) -> None:
    random, acme = Random(seed), {"organization_id": "acme"}
    for listing in (lists.POOLS, lists.USAGE, lists.CUSTOMERS):
        sides: list[Any] = ["after", "from", "before", "until"]
        values: list[Any] = [
            datetime(1, 1, 1, tzinfo=UTC), "9999-12-31T23:59:59-12:00", "2026-01-01", "x", "", "\0", "\udcff", 2**63, -(2**63), 0, True, None,
            1.5, [], {},
        ]  # fmt: skip
        for _ in range(200):
            made = tuple(random.choice(values) for _ in range(random.choice((len(listing.key), len(listing.key), 1))))
            cursor = cursors.written(Place(side=random.choice(sides), values=made), listing.name, listing.key, acme)
            if random.random() < 0.3:
                place = random.randrange(len(cursor))
                cursor = cursor[:place] + random.choice("A=?é\0-") + cursor[place + 1 :]
            try:
                page(lived, listing, acme, cursor=cursor, limit=2)
            except InvalidCursor:
                continue


# --- How it is read ----------------------------------------------------------------------------------------------------------

#: Filters with which a list is still read from an index in its order.
ORDERED = [(listing, {"organization_id": "acme"} if "organization_id" in listing.filters else {}) for listing in LISTS
           if listing.name not in {"policies", "campaigns"}]  # fmt: skip
ORDERED += [(lists.CUSTOMERS, {"organization_id": "acme", "status": "active"}),
            *((listing, {"organization_id": "acme", "pool_id": "pool-1"}) for listing in (lists.USAGE,))]  # fmt: skip


@pytest.mark.parametrize(
    ("listing", "filters"), ORDERED, ids=lambda value: value.name if isinstance(value, Listing) else "+".join(value)
)
@pytest.mark.parametrize("side", [None, "after", "before"])
def test_a_page_comes_from_an_index_in_its_order(
    lived: Connection, listing: Listing, filters: dict[str, Any], side: Any
) -> None:
    rows = page(lived, listing, filters).items
    values = {datetime: INSTANTS[0], str: "m", int: 1}
    place = None if side is None else Place(side=side, values=tuple(values[kind] for kind in listing.key.values()))
    query, parameters = query_of(listing, filters, {}, place)
    with lived.transaction():
        for setting in ("enable_seqscan", "enable_sort", "enable_hashagg", "enable_bitmapscan"):
            lived.execute(f"set local {setting} to off".encode())
        explain = sql.SQL("explain {}").format(query)
        plan = "\n".join(row[0] for row in lived.execute(explain, parameters | {"at_most": 101}))
    # Within one instant, a few rows may be; and what a row collects for itself.
    outer = plan.split("SubPlan")[0]
    assert not re.search(r"(?<!Incremental )Sort  |Seq Scan", outer), plan
    assert rows is not None


def test_a_filter_that_takes_too_long_is_refused_and_not_waited_for(
    lived: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("entitlements_projections.reading.listing.READ_WITHIN_FOR", 0.01)
    slow = Listing(
        name="slow",
        select=lambda *_: (sql.SQL("select *, pg_sleep(0.01) from resource_pools"), frozenset()),
        key=lists.POOLS.key,
        filters=lists.POOLS.filters,
    )
    with pytest.raises(FilterTooBroad):
        page(lived, slow, {"organization_id": "acme"})
