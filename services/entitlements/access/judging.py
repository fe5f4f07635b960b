"""May they? By the views of customers and the policies of their organization; where a view cannot tell, by the read models themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from entitlements.access.checking import check
from entitlements_client.deciding import CustomerView, Decision, Entry, PolicySet, Request, decide
from entitlements_projections import reading

if TYPE_CHECKING:
    from entitlements_projections.database import Connection

#: Parsed views that one process keeps beside their documents.
VIEWS_MAX: Final = 50_000
SOURCE: Final = "SERVICE"


class Parsed:
    """Documents as what they say, parsed once as long as they are the same object. Safe to share between threads: at worst two parse the same."""

    def __init__(self, parse: Callable[[Any], Any], size_max: int) -> None:
        self._parse, self._size_max = parse, size_max
        self._known: dict[tuple[str, str], tuple[bytes, Any]] = {}

    def peek(self, organization_id: str, name: str, document: bytes) -> Any:
        """As of, if it is parsed already; else None."""
        found = self._known.get((organization_id, name))
        return found[1] if found is not None and found[0] is document else None

    def of(self, organization_id: str, name: str, document: bytes) -> Any:
        """What the document says that this organization has under this name now."""
        found = self.peek(organization_id, name, document)
        if found is not None:
            return found
        if len(self._known) >= self._size_max:
            self._known.clear()
        parsed = self._parse(orjson.loads(document))
        self._known[organization_id, name] = (document, parsed)
        return parsed


def parsed_views(kept: int) -> Parsed:
    """Views of customers. kept: documents that are kept in memory; of any other the parsed view is of no use to anybody."""
    return Parsed(CustomerView.from_document, max(1, min(kept, VIEWS_MAX)))


def parsed_pools(kept: int) -> Parsed:
    """The pools of customers, by their views: in their order, each with whether usage may go on from it. kept: as parsed_views."""
    return Parsed(pools_in, max(1, min(kept, VIEWS_MAX)))


def pools_in(document: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """The pools of a customer that a document names, in their order, each with whether usage may go on from it."""
    return [(pool["pool_id"], bool(pool["may_overflow"])) for pool in document["pools"]]


def parsed_policies() -> Parsed:
    """Policies of organizations."""
    return Parsed(PolicySet.compile, size_max=1_000)


def judge(view: CustomerView, policies: PolicySet, request: Request) -> Decision:
    """Decide now."""
    return decide(view, policies, request, time.time(), SOURCE)


def view_for(connection: Connection, view: CustomerView, request: Request) -> CustomerView:
    """The view as it is for the request's subject: its role, and what it may still draw under its own caps.

    For what a view does not tell of a single subject: `needs_service` of a decision says when.
    """
    subject, key = request.subject_id, request.resource_key
    role = reading.role_of_member(connection, view.organization_id, view.customer_id, subject)
    own = view.entitlements.get(key)
    entries = dict(view.entitlements)
    if own is not None and own.has_subject_caps and own.entitlement_type != "boolean":
        entries[key] = _capped(connection, view, own, request)
    members = {**view.members, subject: role} if role else view.members
    return replace(view, members=members, members_complete=True, entitlements=entries)


def _capped(connection: Connection, view: CustomerView, own: Entry, request: Request) -> Entry:
    pools = reading.pools_of_workspace(connection, view.organization_id, view.customer_id)
    asked = reading.Member(
        pool_ids=[row["pool_id"] for row in pools],
        resource_key=own.resource_key,
        organization_id=view.organization_id,
        workspace_id=view.customer_id,
        subject_id=request.subject_id,
        at=datetime.now(UTC),
    )
    answer = check(connection, asked, request.quantity or 1, [bool(row["may_overflow"]) for row in pools]).decisive
    remaining = answer.remaining if answer.left is not None else own.remaining
    document = own.to_document() | {
        "allowed": answer.allowed,
        "reason_code": answer.code,
        "pool_id": answer.pool_id,
        "remaining": remaining,
        "has_subject_caps": False,
    }
    return Entry.from_document(document)
