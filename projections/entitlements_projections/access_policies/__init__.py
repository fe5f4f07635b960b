"""Access policies: one row for each, including retired ones."""

from __future__ import annotations

from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _defined(event: Event, _: Row | None) -> Row:
    fields = ("policy_version", "policies_version", "name", "effect", "priority", "document", "actor")
    return {field: event[field] for field in fields} | {"changed_at": event["timestamp"], "retired_at": None}


def _retired(event: Event, row: Row | None) -> Row:
    assert row is not None, "a policy is retired that was never defined"
    fields = ("policy_version", "policies_version", "actor")
    at = {"changed_at": event["timestamp"], "retired_at": event["timestamp"]}
    return row | {field: event[field] for field in fields} | at


class AccessPolicies(FoldedByEvent):
    """Access policies: one row for each, including retired ones."""

    folder = "access_policies"
    staged = ("access_policies",)
    key = ("organization_id", "policy_id")
    parts = ("policy_id",)
    columns = (
        "organization_id", "policy_id", "policy_version", "policies_version", "name", "effect", "priority", "document", "changed_at",
        "retired_at", "actor", "version",
    )  # fmt: skip
    folds: ClassVar = {"AccessPolicyDefined": _defined, "AccessPolicyRetired": _retired}
    events = frozenset(folds)
