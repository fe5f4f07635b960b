"""API keys: one row for each, including revoked ones. Never a secret."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _created(event: Event, _: Row | None) -> Row:
    fields = (
        "secret_sha256", "name", "scopes", "act_for", "acts_for_all", "unit_id", "expires_at", "requests_per_s", "actor",
    )  # fmt: skip
    return {field: event[field] for field in fields} | {"created_at": event["timestamp"], "revoked_at": None}


def _revoked(event: Event, row: Row | None) -> Row:
    assert row is not None, "a key is revoked that was never made"
    return row | {"revoked_at": event["revoke_at"], "actor": event["actor"]}


class ApiKeys(FoldedByEvent):
    """API keys: one row for each, including revoked ones. Never a secret."""

    folder = "api_keys"
    staged = ("api_keys",)
    key = ("organization_id", "key_id")
    parts = ("key_id",)
    columns = (
        "organization_id", "key_id", "secret_sha256", "name", "scopes", "act_for", "acts_for_all", "unit_id", "created_at", "expires_at",
        "revoked_at", "requests_per_s", "actor", "version",
    )  # fmt: skip
    folds: ClassVar = {"ApiKeyCreated": _created, "ApiKeyRevoked": _revoked}
    events = frozenset(folds)
