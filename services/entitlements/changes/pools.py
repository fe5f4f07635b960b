"""Step 1: whose a pool is, which workspaces it has and what they get; an event of the pool becomes facts about its workspaces.

Rules only. `facts_of` decides and changes nothing; `take_in` is the step of state that follows.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from entitlements.changes.facts import (
    KEYS_PER_POOL_MAX,
    NOWHERE,
    WORKSPACES_PER_POOL_MAX,
    Customer,
    Fact,
    Held,
    Narrowing,
    OrganizationIsUnknown,
    PoolEvent,
    PoolIsTooLarge,
    Position,
    Quota,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


@dataclass(slots=True)
class PoolRow:
    """What is remembered of one pool. position: the last event taken in. organization_id: as it was opened; empty: not read yet."""

    position: Position = NOWHERE
    organization_id: str = ""
    workspaces: dict[str, None] = field(default_factory=dict)  # A set that keeps its order.
    values: dict[str, Held] = field(default_factory=dict)
    #: Overrides of single workspaces that hold, oldest first. The domain bounds their number.
    overrides: dict[str, Narrowing] = field(default_factory=dict)

    def customer(self, workspace_id: str) -> Customer:
        """A workspace as the customer of the pool's organization. Raises OrganizationIsUnknown."""
        if not self.organization_id:
            raise OrganizationIsUnknown
        return Customer(self.organization_id, workspace_id)

    def value_for(self, workspace_id: str, key: str, value: Held | None) -> Held | None:
        """What one workspace has where the pool has this value: the newest override of it and the key decides."""
        said = [o for o in self.overrides.values() if (o.workspace_id, o.resource_key) == (workspace_id, key)]
        return said[-1].narrowed(value) if said else value


def facts_of(row: PoolRow, event: PoolEvent) -> list[Fact]:
    """The facts that follow from an event. An event that the row took in before has none.

    Raises PoolIsTooLarge, OrganizationIsUnknown, KeyError or TypeError for an event that cannot be handled.
    """
    if event.cause.position <= row.position:
        return []  # Read again. Whatever followed from it was in Kafka before the row advanced.
    return _RULES[event.name](row, event)


def take_in(row: PoolRow, event: PoolEvent) -> None:
    """The row as it stands after the event. Changes nothing when the row took it in before."""
    if event.cause.position <= row.position:
        return
    row.position = event.cause.position
    if event.name == "PoolOpened":
        row.organization_id = _text(event, "organization_id")
    elif event.name == "WorkspaceAssigned":
        row.workspaces[_text(event, "workspace_id")] = None
    elif event.name == "WorkspaceUnassigned":
        row.workspaces.pop(_text(event, "workspace_id"), None)
    elif event.name == "EntitlementsChanged":
        row.values = _values_after(row, event)
    elif event.name == "PoolClosed":
        row.values = {}
    elif event.name in _OF_OVERRIDES:
        row.overrides = _overrides_after(row, event)


def _opened(row: PoolRow, event: PoolEvent) -> list[Fact]:
    """Nobody has anything yet: the event says whose the pool is."""
    del row, event
    return []


def _assigned(row: PoolRow, event: PoolEvent) -> list[Fact]:
    workspace_id = _text(event, "workspace_id")
    if workspace_id in row.workspaces:
        return []  # Only its role changed.
    if len(row.workspaces) >= WORKSPACES_PER_POOL_MAX:
        raise PoolIsTooLarge(f"More than {WORKSPACES_PER_POOL_MAX} workspaces.")
    return _told(row, event, [workspace_id], row.values)


def _unassigned(row: PoolRow, event: PoolEvent) -> list[Fact]:
    workspace_id = _text(event, "workspace_id")
    return _told(row, event, [workspace_id], dict.fromkeys(row.values)) if workspace_id in row.workspaces else []


def _entitlements_changed(row: PoolRow, event: PoolEvent) -> list[Fact]:
    if len(_values_after(row, event)) > KEYS_PER_POOL_MAX:
        raise PoolIsTooLarge(f"More than {KEYS_PER_POOL_MAX} entitlements.")
    changed = {key: held for key, held in _changed(event).items() if held != row.values.get(key)}
    return _told(row, event, row.workspaces, changed)


def _closed(row: PoolRow, event: PoolEvent) -> list[Fact]:
    """Normally EntitlementsChanged has taken everything away before."""
    return _told(row, event, row.workspaces, dict.fromkeys(row.values))


def _overridden(row: PoolRow, event: PoolEvent) -> list[Fact]:
    """One workspace has something else now; the others, and whoever is not assigned, have what they had."""
    after = _overrides_after(row, event)
    if after == row.overrides:
        return []  # Of the whole pool: EntitlementsChanged tells it.
    override_id = _text(event, "override_id")
    concerned = after.get(override_id) or row.overrides[override_id]
    workspace_id, key = concerned.workspace_id, concerned.resource_key
    if workspace_id not in row.workspaces or key not in row.values:
        return []
    return _told(replace(row, overrides=after), event, [workspace_id], {key: row.values[key]})


def _overrides_after(row: PoolRow, event: PoolEvent) -> dict[str, Narrowing]:
    override_id = _text(event, "override_id")
    others = {name: override for name, override in row.overrides.items() if name != override_id}
    if event.name != "OverrideSet" or not event.record["workspace_id"]:
        return others
    allowed, amount = bool(event.record["allowed"]), event.record["amount"]
    assert amount is None or isinstance(amount, int)
    said = Narrowing(_text(event, "workspace_id"), _text(event, "resource_key"), allowed, amount)
    return others | {override_id: said}


def _changed(event: PoolEvent) -> dict[str, Held | None]:
    """The event lists a key also when only its contributions changed."""
    changes: Any = event.record["changes"]
    return {change["resource_key"]: _held(change["entitlement_type"], change["after"]) for change in changes}


def _values_after(row: PoolRow, event: PoolEvent) -> dict[str, Held]:
    return {key: held for key, held in {**row.values, **_changed(event)}.items() if held is not None}


def _quota_warned(row: PoolRow, event: PoolEvent) -> list[Fact]:
    return _quota(row, event, "period_start", "period_end", "soft_limit", "consumed")


def _quota_exceeded(row: PoolRow, event: PoolEvent) -> list[Fact]:
    return _quota(row, event, "period_start", "period_end", "limit", "consumed", "requested")


def _exceeded_withdrawn(row: PoolRow, event: PoolEvent) -> list[Fact]:
    return _quota(row, event, "period_start", "period_end", "limit", "consumed")


def _quota_reset(row: PoolRow, event: PoolEvent) -> list[Fact]:
    return _quota(row, event, "period_start", "period_end", "consumed")


def _quota(row: PoolRow, event: PoolEvent, *fields: str) -> list[Fact]:
    """To the workspace whose usage it was, or else to everyone who shares the pool."""
    record: Mapping[str, Any] = event.record
    quota = Quota(event.name, _text(event, "resource_key"), {name: record[name] for name in fields})
    named = record.get("workspace_id")
    concerned = [named] if named else row.workspaces
    return [Fact(event.cause, row.customer(workspace), {}, quota) for workspace in concerned]


def _told(row: PoolRow, event: PoolEvent, workspaces: Iterable[str], values: Mapping[str, Held | None]) -> list[Fact]:
    values = dict(values)
    if not values:
        return []
    own = {override.workspace_id for override in row.overrides.values()}
    return [
        Fact(
            event.cause,
            row.customer(workspace),
            {key: row.value_for(workspace, key, held) for key, held in values.items()} if workspace in own else values,
        )
        for workspace in workspaces
    ]


def _held(entitlement_type: str, value: Mapping[str, Any] | None) -> Held | None:
    if value is None:
        return None
    return Held(entitlement_type, value["limit"], value["soft_limit"], value["hard_limit"], value["period"])


def _text(event: PoolEvent, name: str) -> str:
    value = event.record[name]
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name} is empty.")
    return value


_RULES: Final[dict[str, Callable[[PoolRow, PoolEvent], list[Fact]]]] = {
    "PoolOpened": _opened,
    "WorkspaceAssigned": _assigned,
    "WorkspaceUnassigned": _unassigned,
    "EntitlementsChanged": _entitlements_changed,
    "PoolClosed": _closed,
    "QuotaWarned": _quota_warned,
    "QuotaExceeded": _quota_exceeded,
    "QuotaReset": _quota_reset,
    "ExceededWithdrawn": _exceeded_withdrawn,
    "OverrideSet": _overridden,
    "OverrideCleared": _overridden,
    "OverrideExpired": _overridden,
}
_OF_OVERRIDES: Final = frozenset({"OverrideSet", "OverrideCleared", "OverrideExpired"})

#: Short names of the events that concern customers; all others change nothing for them.
RELEVANT: Final = frozenset(_RULES)
