"""The state of an aggregate as compressed JSON and back, for snapshots. Closed chunks of what it remembers are apart (chunks.py).

`STATE_FORMAT` rises whenever the meaning of a state changes; snapshots of another format are passed over and the ledger is
folded from its start instead. The types below are checked on the way in, so a snapshot that does not fit is found out.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from entitlements.domain.aggregate import Aggregate, AggregateType
from entitlements.domain.campaigns import Campaign
from entitlements.domain.catalogue import EntitlementSet, ResourceKey
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.ladders import PlanLadder
from entitlements.domain.organizations import AccessPolicy, ApiKey, Organization, Unit
from entitlements.domain.pools import (
    Cap,
    Grant,
    Holding,
    OnDemand,
    Override,
    PoolStatus,
    Provision,
    Reservation,
    ResourcePool,
)
from entitlements.domain.remembered import Remembered, RememberedAnswers
from entitlements.domain.remembered_chunks import Chunk
from entitlements.domain.remembered_lines import RememberedLines
from entitlements.domain.sharing import shared_rules, shared_value
from entitlements.domain.values import (
    AssignmentRole,
    DataType,
    Inheritance,
    KeyTerms,
    LadderRung,
    OwnRule,
    ParentSet,
    Rule,
)
from entitlements.ledger.chunks import (
    RememberedAnswersState,
    RememberedLinesState,
    StateDoesNotFit,
    dump_remembered,
    load_remembered,
)

STATE_FORMAT: Final = 12


class _State(TypedDict):
    id: str
    version: int
    created_on: datetime
    modified_on: datetime
    answers: RememberedAnswersState


class _ResourceKeyState(_State):
    name: str
    data_type: DataType
    unit: str
    scale: int
    terms: KeyTerms | None


class _EntitlementSetState(_State):
    set_version: int
    name: str
    ladder: str | None
    rung: int | None
    rules: list[Rule]
    extends: list[ParentSet]
    inheritance: Inheritance
    own_rules: list[OwnRule]


class _PlanLadderState(_State):
    name: str
    rungs: list[LadderRung]


class _OrganizationState(_State):
    units: dict[str, Unit]
    workspaces: dict[str, str]
    members: dict[str, dict[str, str]]
    policies: dict[str, AccessPolicy]
    policies_version: int
    api_keys: dict[str, ApiKey]


class _CampaignState(_State):
    name: str
    reason: str
    priority: int
    set_id: str
    set_version: int
    rules: list[Rule]
    quantity: int
    starts_at: datetime
    ends_at: datetime
    pools: dict[str, None]
    is_active: bool
    activation: int


class _PoolState(_State):
    organization_id: str
    billing_account_id: str | None
    name: str
    backfill_from: datetime | None
    is_backfilling: bool
    backfilled_at_ms: int
    status: PoolStatus
    provisions: dict[str, Provision]
    grants: dict[str, Grant]
    assignments: dict[str, AssignmentRole]
    may_overflow: dict[str, bool]
    time_zone: str
    anchor_at: datetime | None
    defaults: dict[str, Rule]
    overrides: dict[str, Override]
    on_demand: dict[str, OnDemand]
    caps: dict[str, dict[str, dict[str, Cap]]]
    reservations: dict[str, Reservation]
    holders: dict[str, dict[str, Holding]]
    entitlements: dict[str, Entitlement]
    usage_ids: RememberedLinesState
    sources: dict[str, int]
    turn: int


_STATES: Final[dict[AggregateType, tuple[type[Aggregate], Any]]] = {
    "pool": (ResourcePool, _PoolState),
    "entitlement_set": (EntitlementSet, _EntitlementSetState),
    "resource_key": (ResourceKey, _ResourceKeyState),
    "organization": (Organization, _OrganizationState),
    "campaign": (Campaign, _CampaignState),
    "plan_ladder": (PlanLadder, _PlanLadderState),
}
#: What is remembered, in the order of the chunks.
_REMEMBERED: Final[dict[str, type[Remembered[Any, Any]]]] = {"answers": RememberedAnswers, "usage_ids": RememberedLines}
#: What a pool has between two events only; empty in every snapshot.
_EMPTY: Final[dict[str, type]] = {
    "recorded_by": str,
    "recorded": list,
    "written": type(None),
    "refused": list,
    "counted": dict,
    "counted_late": dict,
    "recorded_sources": dict,
    "refused_sources": dict,
}


@cache
def _adapter(kind: AggregateType) -> TypeAdapter[Any]:
    return TypeAdapter(_STATES[kind][1])


def prepare() -> None:
    """Make what writes states, so that no decision waits for it later: some 30 ms."""
    for kind in _STATES:
        _adapter(kind)


def closed_chunks(aggregate: Aggregate) -> list[Chunk[Any]]:
    """The chunks that are no part of what dump_state gives, in the order in which load_state needs them."""
    return [chunk for name in _REMEMBERED if hasattr(aggregate, name) for chunk in getattr(aggregate, name).closed]


def dump_state(aggregate: Aggregate) -> bytes:
    """The whole state of an aggregate whose decisions are sealed, but for its closed chunks."""
    kind = aggregate.aggregate_type
    names = _STATES[kind][1].__annotations__.keys() | _State.__annotations__.keys()
    fields = {name: getattr(aggregate, name) for name in sorted(names)}
    fields |= {name: dump_remembered(fields[name]) for name in _REMEMBERED if name in fields}
    return zlib.compress(_adapter(kind).dump_json(fields), 1)


def load_state(kind: AggregateType, state: bytes, chunks: Iterable[bytes] = ()) -> Aggregate:
    """The aggregate of a state and its closed chunks. Raises StateDoesNotFit."""
    fields = _fields(kind, state, chunks)
    cls = _STATES[kind][0]
    aggregate = cls.__new__(cls)
    aggregate.__base_init__(fields.pop("id"), fields.pop("version"), fields.pop("created_on"))
    aggregate.command_id = ""
    aggregate.modified_on = fields.pop("modified_on")
    for name, value in fields.items():
        setattr(aggregate, name, value)
    if isinstance(aggregate, ResourcePool):
        for name, empty in _EMPTY.items():
            setattr(aggregate, name, empty())
        aggregate.refresh_calendars()
        for provision in aggregate.provisions.values():
            provision.rules = shared_rules(provision.rules)
        for entitlement in aggregate.entitlements.values():
            entitlement.value = None if entitlement.value is None else shared_value(entitlement.value)
            entitlement.refresh()
        aggregate.find_due()
    elif isinstance(aggregate, Organization):
        aggregate.count_again()
    return aggregate


def _fields(kind: AggregateType, state: bytes, chunks: Iterable[bytes]) -> dict[str, Any]:
    try:
        fields: dict[str, Any] = _adapter(kind).validate_json(zlib.decompress(state))
    except (ValidationError, zlib.error) as error:
        raise StateDoesNotFit(str(error)) from error
    left = iter(chunks)
    for name, remembered in _REMEMBERED.items():
        if name in fields:
            fields[name] = load_remembered(remembered, fields[name], left)
    if next(left, None) is not None:
        raise StateDoesNotFit("there are more chunks than the state has")
    return fields
