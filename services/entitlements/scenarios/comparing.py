"""What was expected of a step against what is there; each difference by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from datetime import datetime, timedelta
from typing import Any

from entitlements.domain.aggregate import Aggregate, Event, from_ms, to_ms
from entitlements.domain.buckets import UNLIMITED as UNLIMITED_AMOUNT
from entitlements.domain.cover import affordable
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.members import override_of, reserved_by
from entitlements.domain.pools import ResourcePool
from entitlements.scenarios.files import Expected, PoolExpected
from entitlements.scenarios.words import UNLIMITED, Words, at_instant, read_instant
from entitlements.scenarios.world import Happened, World


@dataclass(frozen=True)
class Difference:
    """What was expected, and what there was instead."""

    what: str
    expected: Any
    got: Any


def differences(world: World, expected: Expected, happened: Happened, at: datetime) -> Iterator[Difference]:
    """Compare a step with all that is expected of it. Raises CannotBeMeant when it means one of several pools."""
    yield from _answer(expected, happened)
    if "events" in expected.model_fields_set:
        yield from _events("events", expected.events, [event for _, event in happened.events], at)
    if expected.model_fields_set & {"status", "keys", "workspaces", "provisions"}:
        yield from _pool(world.pools.get(world.only_pool()), expected, at, "")
    for pool_id, of_pool in expected.pools.items():
        if "events" in of_pool.model_fields_set:
            events = [event for name, event in happened.events if name == pool_id]
            yield from _events(f"{pool_id}: events", of_pool.events, events, at)
        yield from _pool(world.pools.get(pool_id), of_pool, at, f"{pool_id}: ")
    for set_id, of_set in expected.sets.items():
        yield from _facts(f"set {set_id}", of_set, world.aggregates.get(("entitlement_set", set_id)), at)
    for key, of_key in expected.resource_keys.items():
        yield from _facts(f"resource key {key}", of_key, world.aggregates.get(("resource_key", key)), at)


def _answer(expected: Expected, happened: Happened) -> Iterator[Difference]:
    refused = happened.refusal
    if "refused" in expected.model_fields_set or refused is not None:
        got = None if refused is None else refused.code
        if got != (expected.refused or None):
            yield Difference("refused", expected.refused or None, got if refused is None else f"{got}: {refused}")
    if happened.refused_lines != expected.refused_lines:
        yield Difference("refused_lines", expected.refused_lines, happened.refused_lines)
    if "repeated" in expected.model_fields_set and happened.repeated != expected.repeated:
        yield Difference("repeated", expected.repeated, happened.repeated)


def _pool(pool: ResourcePool | None, expected: PoolExpected, at: datetime, prefix: str) -> Iterator[Difference]:
    if pool is None:
        yield Difference(f"{prefix}pool", "a pool", None)
        return
    if "status" in expected.model_fields_set and pool.status != expected.status:
        yield Difference(f"{prefix}status", expected.status, pool.status)
    for provision_id, facts in expected.provisions.items():
        yield from _facts(f"{prefix}{provision_id}", facts, pool.provisions.get(provision_id), at)
    for key, of_key in expected.keys.items():
        yield from _facts(f"{prefix}{key}", of_key, state_of(pool, key, at), at)
    for workspace_id, keys in expected.workspaces.items():
        for key, of_member in keys.items():
            found = state_of_member(pool, workspace_id, key, at)
            yield from _facts(f"{prefix}{workspace_id}: {key}", of_member, found, at)


def _events(
    what: str, expected: Sequence[Mapping[str, Mapping[str, Any]]], events: Sequence[Event], at: datetime
) -> Iterator[Difference]:
    names, got = [name for one in expected for name in one], [type(event).__name__ for event in events]
    if names != got:
        yield Difference(what, names, got)
        return
    for facts, event in zip(expected, events, strict=True):
        for name, of_event in facts.items():
            yield from _unlike(name, of_event, vars(event), at)


def _facts(what: str, expected: Words, found: Aggregate | object | None, at: datetime) -> Iterator[Difference]:
    """What of the facts that were written is otherwise."""
    if found is None:
        yield Difference(what, "present", None)
        return
    for name in type(expected).model_fields:
        if name in expected.model_fields_set:
            value, got = getattr(expected, name), found.get(name) if isinstance(found, dict) else getattr(found, name)
            if isinstance(value, datetime | timedelta):
                value = at_instant(value, at)
            if value != got:
                yield Difference(f"{what}.{name}", _shown(value), _shown(got))


def _unlike(what: str, expected: Any, got: Any, at: datetime) -> Iterator[Difference]:
    """Where a fact of an event is otherwise: of what has fields only those that are named are compared."""
    got = vars(got) if is_dataclass(got) else got
    if isinstance(expected, Mapping) and isinstance(got, Mapping):
        for name, value in expected.items():
            if name in got:
                yield from _unlike(f"{what}.{name}", value, got[name], at)
            else:
                yield Difference(f"{what}.{name}", value, "no such field")
    elif isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            yield Difference(f"{what}: count", len(expected), len(got))
        for number, (value, found) in enumerate(zip(expected, got, strict=False), 1):
            yield from _unlike(f"{what}.{number}", value, found, at)
    elif not (_is_instant(expected, got, at) if isinstance(got, datetime) else expected == got):
        yield Difference(what, _shown(expected), _shown(got))


def _is_instant(expected: Any, got: datetime, at: datetime) -> bool:
    try:
        return at_instant(read_instant(expected), at) == got
    except ValueError:  # It is no instant at all.
        return False


def state_of(pool: ResourcePool, key: str, at: datetime) -> dict[str, Any]:
    """What a pool has of a key, in the words of scenarios."""
    entitlement = pool.entitlements.get(key)
    if entitlement is None:
        return {"allowed": False, "consumed": 0, "elsewhere": 0, "owed": 0, "reserved": 0, "remaining": 0, "affordable": 0} | {
            "contributions": {}, "burnt": {}, "over_allocated": False, "spent": 0, "override": ""
        }  # fmt: skip
    value, end_ms = entitlement.value, entitlement.period_at(to_ms(at))[1]
    is_periodic = entitlement.period is not None and end_ms < UNLIMITED_AMOUNT
    soft_limit = _number(entitlement.soft_limit)
    return {
        "allowed": value is not None,
        "limit": _number(entitlement.limit) if value is not None else None,
        "soft_limit": None if soft_limit == UNLIMITED else soft_limit,
        "hard_limit": _number(entitlement.hard_limit) if value is not None else None,
        "consumed": entitlement.consumed,
        "elsewhere": entitlement.elsewhere,
        "owed": entitlement.owed,
        "reserved": entitlement.reserved,
        "remaining": _number(entitlement.included_left),
        "affordable": _number(affordable(pool, entitlement)),
        "contributions": _contributions(entitlement),
        "burnt": {bucket.provision_id or "default": bucket.consumed for bucket in entitlement.buckets},
        "resets_at": from_ms(end_ms) if is_periodic else None,
        "over_allocated": entitlement.is_over_allocated,
        "spent": pool.on_demand[key].spent if key in pool.on_demand else 0,
        "override": value.override_id if value is not None else "",
    }


def state_of_member(pool: ResourcePool, workspace_id: str, key: str, at: datetime) -> dict[str, Any]:
    """What a workspace has of a key in a pool: what the pool has, as far as a cap or an override lets it."""
    found, entitlement = state_of(pool, key, at), pool.entitlements.get(key)
    override = override_of(pool, workspace_id, key)
    if entitlement is None or workspace_id not in pool.assignments or (override is not None and not override.allowed):
        return {"allowed": False, "limit": None, "consumed": 0, "remaining": 0, "resets_at": None}
    cap = override.cap if override is not None else pool.caps.get(workspace_id, {}).get("", {}).get(key)
    member = {name: found[name] for name in ("allowed", "limit", "remaining", "resets_at")} | {"consumed": None}
    if cap is None:
        return member
    end_ms = pool.cap_period(cap, entitlement, to_ms(at))[1]
    drawn = cap.consumed if cap.is_current(entitlement, to_ms(at)) else 0
    left = max(0, cap.amount - drawn - reserved_by(pool, key, workspace_id))
    return member | {
        "limit": _number(min(entitlement.limit, cap.amount)),
        "consumed": drawn,
        "remaining": _number(min(entitlement.included_left, left)),
        "resets_at": from_ms(end_ms) if end_ms < UNLIMITED_AMOUNT else None,
    }


def _contributions(entitlement: Entitlement) -> dict[str, Any]:
    def adds(limit: int | None) -> int | str | bool:
        if entitlement.entitlement_type == "boolean":
            return True
        return UNLIMITED if limit is None else limit

    return {bucket.provision_id or "default": adds(bucket.limit) for bucket in entitlement.buckets}


def _number(amount: int) -> int | str:
    return UNLIMITED if amount >= UNLIMITED_AMOUNT // 2 else amount


def _shown(value: Any) -> Any:
    """A value as differences tell it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _shown(part) for name, part in vars(value).items()}
    if isinstance(value, Words):
        return {name: _shown(getattr(value, name)) for name in sorted(value.model_fields_set)}
    if isinstance(value, Mapping):
        return {name: _shown(part) for name, part in value.items()}
    return [_shown(part) for part in value] if isinstance(value, list) else value
