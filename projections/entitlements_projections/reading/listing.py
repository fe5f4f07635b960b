"""Pages of a list: keyset pagination, forward and backward.

A list has a sort key that no two rows share, and rows do not change theirs (but where lists.py says so). A page is what lies on one
side of a key: rows of one instant are neither lost nor repeated, whatever is inserted meanwhile, and page 1,000 costs what page 1 costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from entitlements.errors import RequestError
from entitlements_projections.reading import cursors
from entitlements_projections.reading.cursors import Columns, Place, Side

if TYPE_CHECKING:
    from entitlements_projections.database import Connection, Row

LIMIT_DEFAULT: Final = 100
LIMIT_MAX: Final = 1_000
#: Seconds for one page: filters that fit little may look through much.
READ_WITHIN_FOR: Final = 10.0
#: By whether the list descends: what is on a side of a key.
_OPERATORS: Final[Mapping[bool, Mapping[Side, sql.SQL]]] = {
    False: {"after": sql.SQL(">"), "from": sql.SQL(">="), "before": sql.SQL("<"), "until": sql.SQL("<=")},
    True: {"after": sql.SQL("<"), "from": sql.SQL("<="), "before": sql.SQL(">"), "until": sql.SQL(">=")},
}
#: What is not on a side of a key.
_BEYOND: Final[Mapping[Side, Side]] = {"after": "until", "from": "before", "before": "from", "until": "after"}
#: The statement without conditions, order and bounds, by what is given and the direction (asc, desc) in which it is read; and what of
#: what is given it sees to itself.
Select: TypeAlias = Callable[[Mapping[str, Any], sql.SQL], tuple[sql.Composable, frozenset[str]]]


class FilterTooBroad(RequestError):
    """The list takes too long to read with these filters. Use a narrower filter."""

    code = "filter_too_broad"


@dataclass(frozen=True, kw_only=True)
class Listing:
    """A list: what it selects, in which order, and what it can be filtered by."""

    name: str
    select: Select
    #: The columns of its sort key; all of them in one direction.
    key: Columns
    descends: bool = False
    #: What it can be filtered by: a condition on its columns for each, which takes %(name)s.
    filters: dict[str, sql.SQL] = field(default_factory=dict)
    #: Conditions that a caller sets and no cursor carries.
    bounds: dict[str, sql.SQL] = field(default_factory=dict)
    #: Columns that only sort.
    hidden: frozenset[str] = frozenset()
    #: Columns that hold JSON as text.
    documents: frozenset[str] = frozenset()

    def place_of(self, row: Row, side: Side) -> Place:
        """The place beside a row."""
        return Place(side=side, values=tuple(row[column] for column in self.key))


@dataclass(frozen=True, kw_only=True)
class Page:
    """Rows of a list in its order, and the cursors of the pages around it; None: there is none."""

    items: list[Row]
    next: str | None
    previous: str | None

    def document(self) -> dict[str, Any]:
        """As the API says it."""
        return {"items": self.items, "next": self.next, "previous": self.previous}


def page(
    connection: Connection,
    listing: Listing,
    filters: Mapping[str, Any],
    *,
    limit: int = LIMIT_DEFAULT,
    cursor: str | None = None,
    bounds: Mapping[str, Any] | None = None,
) -> Page:
    """A page of a list: its first, or the one that a cursor leads to. Filters and bounds without a value are none.

    Raises InvalidCursor, FilterTooBroad, psycopg.Error.
    """
    assert 1 <= limit <= LIMIT_MAX, "checked at the edge"
    given = {name: value for name, value in filters.items() if value is not None}
    place = None if cursor is None else cursors.read(cursor, listing.name, listing.key, given)
    rows = _read(
        connection, listing, given, {k: v for k, v in (bounds or {}).items() if v is not None}, place, limit + 1
    )
    has_more, rows = len(rows) > limit, rows[:limit]
    if place is not None and place.is_backward:
        rows.reverse()
    before, after = _around(listing, rows, place, has_more=has_more)

    def said(at: Place | None) -> str | None:
        return None if at is None else cursors.written(at, listing.name, listing.key, given)

    shown = [{name: value for name, value in row.items() if name not in listing.hidden} for row in rows]
    return Page(items=shown, previous=said(before), next=said(after))


def every_row(connection: Connection, listing: Listing, filters: Mapping[str, Any], **more: Any) -> Iterator[Row]:
    """All rows of a list, read page by page as they are wanted. Raises as page."""
    cursor: str | None = None
    while True:
        found = page(connection, listing, filters, limit=LIMIT_MAX, cursor=cursor, **more)
        yield from found.items
        cursor = found.next
        if cursor is None:
            return


def _around(
    listing: Listing, rows: list[Row], place: Place | None, *, has_more: bool
) -> tuple[Place | None, Place | None]:
    """The places before and after a page. There is a way back to where a cursor came from, also from a page that is empty by now."""
    if not rows:
        if place is None:
            return None, None
        beyond = Place(side=_BEYOND[place.side], values=place.values)
        return (None, beyond) if place.is_backward else (beyond, None)
    before, after = listing.place_of(rows[0], "before"), listing.place_of(rows[-1], "after")
    if place is None:
        return None, after if has_more else None
    if place.is_backward:
        return before if has_more else None, after
    return before, after if has_more else None


def _read(
    connection: Connection,
    listing: Listing,
    filters: Mapping[str, Any],
    bounds: Mapping[str, Any],
    place: Place | None,
    at_most: int,
) -> list[Row]:
    """Rows from a place on, in the direction of the place."""
    query, parameters = query_of(listing, filters, bounds, place)
    try:
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(f"set local statement_timeout to {round(READ_WITHIN_FOR * 1_000)}".encode())
            found: list[Row] = cursor.execute(query, parameters | {"at_most": at_most}).fetchall()
    except psycopg.errors.QueryCanceled as error:
        raise FilterTooBroad from error
    return found


def query_of(
    listing: Listing, filters: Mapping[str, Any], bounds: Mapping[str, Any], place: Place | None
) -> tuple[sql.Composed, dict[str, Any]]:
    """The statement for rows from a place on, and its parameters but for the bound, `at_most`."""
    given = dict(filters) | dict(bounds)
    is_backward = place is not None and place.is_backward
    direction = sql.SQL("desc" if listing.descends is not is_backward else "asc")
    select, seen_to = listing.select(given, direction)
    conditions: list[sql.Composable] = [
        (listing.filters | listing.bounds)[name] for name in given if name not in seen_to
    ]
    columns = [sql.Identifier(column) for column in listing.key]
    if place is not None:
        given |= {f"key_{number}": value for number, value in enumerate(place.values)}
        beside = sql.SQL("({}) {} ({})").format(
            sql.SQL(", ").join(columns),
            _OPERATORS[listing.descends][place.side],
            sql.SQL(", ").join(sql.Placeholder(f"key_{number}") for number in range(len(columns))),
        )
        conditions.append(beside)
    query = sql.SQL("select * from ({}) listed {} order by {} limit %(at_most)s").format(
        select,
        sql.SQL("where {}").format(sql.SQL(" and ").join(conditions)) if conditions else sql.SQL(""),
        sql.SQL(", ").join(sql.SQL("{} {}").format(column, direction) for column in columns),
    )
    return query, given
