"""Campaigns: one row for each."""

from __future__ import annotations

import json
from typing import ClassVar

from entitlements_projections.database import Row
from entitlements_projections.read_model import Event, FoldedByEvent


def _defined(event: Event, row: Row | None) -> Row:
    fields = ("name", "set_id", "set_version", "quantity", "priority", "starts_at", "ends_at", "reason", "actor")
    before = {"is_active": False, "activation": 0} if row is None else row
    rules = json.dumps(event["rules"], ensure_ascii=False)
    return before | {field: event[field] for field in fields} | {"rules": rules, "changed_at": event["timestamp"]}


def _activated(event: Event, row: Row | None) -> Row:
    assert row is not None, "a campaign is activated that was never defined"
    now = {"changed_at": event["timestamp"], "actor": event["actor"]}
    return row | now | {"is_active": True, "activation": event["activation"]}


def _deactivated(event: Event, row: Row | None) -> Row:
    assert row is not None, "a campaign is deactivated that was never defined"
    return row | {"is_active": False, "changed_at": event["timestamp"], "actor": event["actor"]}


class Campaigns(FoldedByEvent):
    """Campaigns: one row for each."""

    folder = "campaigns"
    staged = ("campaigns",)
    key = ("campaign_id",)
    columns = (
        "campaign_id", "name", "set_id", "set_version", "rules", "quantity", "priority", "starts_at", "ends_at", "reason", "is_active", "activation", "changed_at", "actor", "version",
    )  # fmt: skip
    folds: ClassVar = {
        "CampaignDefined": _defined,
        "CampaignActivated": _activated,
        "CampaignDeactivated": _deactivated,
    }
    events = frozenset(folds)
