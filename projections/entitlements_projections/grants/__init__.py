"""Grants: entitlements that nobody pays for, with actor, reason and end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent, Key


def _issued(event: Event, _: Row | None) -> Row:
    return {
        "status": "issued",
        "reason": event["reason"],
        "actor": event["actor"],
        "issued_at": event["timestamp"],
        "starts_at": event["starts_at"],
        "ends_at": event["ends_at"],
        "over_at": None,
        "over_reason": None,
        "over_actor": None,
    }


def _over(row: Row, status: str, event: Event) -> Row:
    return row | {
        "status": status,
        "over_at": event["timestamp"],
        "over_reason": event.get("reason"),
        "over_actor": event.get("actor"),
    }


def _revoked(event: Event, row: Row | None) -> Row:
    assert row is not None, "a grant is revoked that was never issued"
    return _over(row, "revoked", event)


def _expired(event: Event, row: Row | None) -> Row:
    assert row is not None, "a grant expires that was never issued"
    return _over(row, "expired", event)


def _end_changed(event: Event, row: Row | None) -> Row | None:
    return None if row is None else row | {"ends_at": event["ends_at"]}


def _provision_ended(event: Event, row: Row | None) -> Row | None:
    """A grant is over with its provision at the latest; usually its own event has said so already."""
    if row is None or row["status"] != "issued":
        return None
    return _over(row, "expired" if event["reason"] == "expired" else "ended", event)


class Grants(FoldedByEvent):
    """One row for each grant of each pool."""

    folder = "grants"
    staged = ("grants",)
    key = ("pool_id", "grant_id")
    parts = ("grant_id",)
    columns = (
        "pool_id", "grant_id", "status", "reason", "actor", "issued_at", "starts_at", "ends_at", "over_at",
        "over_reason", "over_actor", "version",
    )  # fmt: skip
    folds: ClassVar = {
        "GrantIssued": _issued,
        "GrantRevoked": _revoked,
        "GrantExpired": _expired,
        "ProvisionEndScheduled": _end_changed,
        "ProvisionEndWithdrawn": _end_changed,
        "ProvisionEnded": _provision_ended,
    }
    events = frozenset(folds)

    def facts(self, name: str, event: Event) -> Iterator[tuple[Key, Callable[[Row | None], Row | None]]]:
        """The grant an event is about; a provision's id is that of its grant, if it has one."""
        return super().facts(name, event if "grant_id" in event else event | {"grant_id": event["provision_id"]})
