"""The demo's questions: what the HTTP API says of customers, held against what was counted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx

from entitlements.settings import Settings

_ANSWER_WITHIN_FOR = 30.0


def decisions(settings: Settings, key: str, customers: Sequence[str]) -> list[dict[str, Any]]:
    """Whether each customer may make one more request. Raises httpx.HTTPError."""
    if not customers:
        return []
    answer = httpx.post(
        f"http://{settings.api_host}:{settings.api_port}/v1/checks",
        json={"customer_ids": customers, "resource_keys": ["api_calls"], "quantity": 1},
        headers={"authorization": f"Bearer {key}"},
        timeout=_ANSWER_WITHIN_FOR,
    )
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["decisions"]
    return found


def agree(found: Sequence[dict[str, Any]], busiest: Sequence[dict[str, Any]]) -> bool:
    """Whether every answer is the one that the customer's own count gives: allowed, as long as something remains."""
    counted = {
        row["customer_id"]: held["remaining"]
        for row in busiest
        for held in row["entitlements"]
        if held["resource_key"] == "api_calls"
    }
    return len(found) == len(busiest) and all(
        (decision["remaining"], decision["allowed"])
        == (counted[decision["customer_id"]], counted[decision["customer_id"]] >= 1)
        for decision in found
    )
