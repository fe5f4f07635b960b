"""Who asked for what: GET /v1/access-log."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import psycopg
from psycopg import sql

from entitlements.access.log import tables
from entitlements.domain.values import is_id
from entitlements.errors import InvalidRequest, ServerIsAway
from entitlements_projections.database import Connection
from entitlements_projections.reading import listing

#: Nothing was decided before the first, and nothing will be after the last.
_FIRST: Final = datetime(1970, 1, 8, tzinfo=UTC)
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)


@cache
def _select() -> sql.SQL:
    text: Any = tables.statement("read").decode().rstrip().removesuffix(";")
    return sql.SQL(text)  # A file of ours.


DECISIONS: Final = listing.Listing(
    name="decisions",
    select=lambda *_: (_select(), frozenset()),
    key={"occurred_at": datetime, "decision_id": str},
    descends=True,
    filters={
        "organization_id": sql.SQL("organization_id = %(organization_id)s"),
        "customer_id": sql.SQL("customer_id = %(customer_id)s"),
        "resource_key": sql.SQL("resource_key = %(resource_key)s"),
        "result": sql.SQL("result = %(result)s"),
        "since": sql.SQL("occurred_at >= %(since)s"),
        "until": sql.SQL("occurred_at < %(until)s"),
    },
)


def page(  # noqa: PLR0913 - each is a filter of its own.
    connection: Connection,
    organization_id: str,
    *,
    customer_id: str | None = None,
    resource_key: str | None = None,
    result: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    cursor: str | None = None,
    limit: int = listing.LIMIT_DEFAULT,
) -> dict[str, Any]:
    """The decisions of an organization that fit, from since on and before until, the newest first: {items, next, previous}.

    What is decided meanwhile moves no page. connection: of tables.open_tables, or one of a pool that sees its schema.
    Raises InvalidRequest, InvalidCursor, FilterTooBroad, ServerIsAway.
    """
    if not 1 <= limit <= listing.LIMIT_MAX:
        raise InvalidRequest(f"limit must be 1 to {listing.LIMIT_MAX}.")
    if result not in {None, "allowed", "denied"}:
        raise InvalidRequest("result must be allowed or denied.")
    if not all(given is None or is_id(given) for given in (customer_id, resource_key)):
        raise InvalidRequest("customer_id and resource_key must have 1 to 128 characters.")
    if not all(at is None or at.tzinfo is not None for at in (since, until)):
        raise InvalidRequest("since and until need a time zone offset.")
    filters = {
        "organization_id": organization_id,
        "customer_id": customer_id,
        "resource_key": resource_key,
        "result": result,
        "since": since and _kept(since),
        "until": until and _kept(until),
    }
    try:
        found = listing.page(connection, DECISIONS, filters, limit=limit, cursor=cursor)
    except psycopg.OperationalError as error:
        raise ServerIsAway(f"Postgres: {error}") from error
    return found.document() | {"items": [_document(row) for row in found.items]}


def _kept(at: datetime) -> datetime:
    """An instant that Postgres knows, whatever year somebody asks for."""
    return min(max(at, _FIRST), _LAST)


def _document(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "occurred_at": _rfc3339(row["occurred_at"]),
        "request_id": row["request_id"],
        "customer_id": row["customer_id"],
        "resource_key": row["resource_key"],
        "entitlement_type": row["entitlement_type"] or None,
        "quantity": row["quantity"],
        "subject_id": row["subject_id"],
        "action": row["action"],
        "result": row["result"],
        "reason": row["reason"],
        "context": {
            "ip_address": row["ip_address"],
            "user_agent": row["user_agent"],
            "resource": {"type": row["resource_type"], "id": row["resource_id"]},
        },
        "decision_id": row["decision_id"],
        "policy_version": row["policy_version"],
        "as_of": {"position": row["as_of"], "lag_ms": row["lag_ms"]},
        "source": row["source"],
        "count": row["count"],
        "asked_by": row["asked_by"],
        "asked_by_organization": row["asked_by_organization"],
    }


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
