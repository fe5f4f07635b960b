"""Who else bears usage than what is included: the parts of recorded lines and of corrections, by key and bearer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from entitlements_projections.read_model import Event


def borne_by(bearer: str, event: Event) -> dict[str, list[Event]]:
    """The parts that a bearer (credit, on_demand) has of the period under way, by key. Few lines have any.

    What counts in a closed period changes nothing of what is left now.
    """
    found: dict[str, list[Event]] = {}
    if "lines" in event:
        for line in event["lines"]:
            details = line["details"]
            if details is not None and details["parts"] and not line["late"]:
                _gather(bearer, line["resource_key"], details["parts"], found)
    elif not event["counted_in"]:
        _gather(bearer, event["resource_key"], event["parts"], found)
    return found


def may_be_borne(name: str, event: Event) -> bool:
    """Whether an event may have parts that somebody else bears, or moves what is owed: all but usage without details, which is most."""
    return name != "UsageRecorded" or any(line["details"] is not None for line in event["lines"])


def owed_since(event: Event) -> list[Event]:
    """The totals of periods under way that usage of a closed period has moved: its preserved overage is owed now, or not any more."""
    if "lines" not in event:
        return [t for t in event["others"] if event["counted_in"] and t["resource_key"] == event["resource_key"]]
    late = {
        (line["resource_key"], line["details"]["counted_in"])
        for line in event["lines"]
        if line["late"] and line["overage"] and line["details"]
    }
    keys = {key for key, _ in late}
    if not keys:
        return []
    totals = [total for total in event["totals"] if total["resource_key"] in keys]
    return [total for total in totals if (total["resource_key"], total["period_start"]) not in late]


def at_this_rate(parts: list[Event]) -> tuple[int, int]:
    """Quantity and charge of the parts that were borne at the present rate or price: rounding goes on from them."""
    counting = [part for part in parts if not part.get("repriced")]
    return sum(part["quantity"] for part in counting), sum(part["charge"] for part in counting)


def _gather(bearer: str, key: str, parts: list[Event], found: dict[str, list[Event]]) -> None:
    for part in parts:
        if part["bearer"] == bearer:
            found.setdefault(key, []).append(part)
