"""Who asked for what: GET /v1/access-log."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import orjson
import psycopg
from psycopg.rows import dict_row

from entitlements.access.log import tables
from entitlements.domain.values import is_id
from entitlements.errors import InvalidRequest, ServerIsAway
from entitlements_projections.database import Connection

PAGE_MAX: Final = 1_000
#: Seconds for one page: filters that fit little may look through much.
READ_WITHIN_FOR: Final = 10.0
#: Nothing was decided before the first, and nothing will be after the last.
_FIRST: Final = datetime(1970, 1, 8, tzinfo=UTC)
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)


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
    limit: int = 100,
) -> dict[str, Any]:
    """The newest decisions of an organization that fit, until (exclusive) which they occurred, the newest first.

    {"decisions": [..], "cursor": "..."}: ask again with the cursor and the same filters for those before them; null: there are none.
    What is decided meanwhile moves no page. connection: of tables.open_tables, or one of a pool that sees its schema.
    Raises InvalidRequest, ServerIsAway.
    """
    if not 1 <= limit <= PAGE_MAX:
        raise InvalidRequest(f"limit is 1 to {PAGE_MAX}.")
    if result not in {None, "allowed", "denied"}:
        raise InvalidRequest("result is allowed or denied.")
    if not all(given is None or is_id(given) for given in (customer_id, resource_key)):
        raise InvalidRequest("customer_id and resource_key are texts of 1 to 128 characters.")
    if not all(at is None or at.tzinfo is not None for at in (since, until)):
        raise InvalidRequest("since and until have an offset.")
    at, before = until or datetime.now(UTC) + timedelta(days=1), ""
    if cursor is not None:
        at, before = _place(cursor)
    at = _kept(at)
    parameters = {
        "organization_id": organization_id,
        "customer_id": customer_id,
        "resource_key": resource_key,
        "result": result,
        "since": _kept(since or _FIRST),
        "until": at,
        "before": before,
        "at_most": limit + 1,
    }
    try:
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor_of_rows:
            cursor_of_rows.execute(f"set local statement_timeout to {round(READ_WITHIN_FOR * 1_000)}".encode())
            rows = cursor_of_rows.execute(tables.statement("read"), parameters).fetchall()
    except psycopg.OperationalError as error:
        raise ServerIsAway(f"Postgres: {error}") from error
    shown = rows[:limit]
    more = len(rows) > limit
    return {
        "decisions": [_document(row) for row in shown],
        "cursor": _cursor(shown[-1]["occurred_at"], shown[-1]["decision_id"]) if more else None,
    }


def _kept(at: datetime) -> datetime:
    """An instant that Postgres knows, whatever year somebody asks for."""
    return min(max(at, _FIRST), _LAST)


def _document(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "timestamp": _rfc3339(row["occurred_at"]),
        "request_id": row["request_id"],
        "customer_id": row["customer_id"],
        "entitlement": row["resource_key"],
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


def _cursor(at: datetime, decision_id: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([at.isoformat(), decision_id]).encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[datetime, str]:
    """Where a page goes on. A cursor names a place and nothing else: whoever makes one up sees what it may see anyhow."""
    try:
        at, decision_id = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        place = datetime.fromisoformat(at)
        if place.tzinfo is None or not isinstance(decision_id, str) or "\0" in decision_id:
            raise InvalidRequest("The cursor is none of ours.")
    except (binascii.Error, ValueError, TypeError) as error:
        raise InvalidRequest("The cursor is none of ours.") from error
    return place, decision_id
