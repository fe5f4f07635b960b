"""May a workspace use so much of a key now, and what is left? As strict usage would be decided; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from entitlements.access.standing import Row, cap_of, standing_of
from entitlements.domain.aggregate import to_ms
from entitlements.domain.buckets import UNLIMITED
from entitlements.domain.cover import Cover, Left, cover, what_is_left
from entitlements.domain.errors import NotEntitled, PoolIsClosed, PoolIsSuspended, ProvisionIsSuspended
from entitlements.domain.organizations import suffices
from entitlements.domain.overflow import HAS_NOTHING, asks_the_next
from entitlements.domain.usage import what_refuses
from entitlements.domain.values import QUANTITY_MAX
from entitlements_projections import reading
from entitlements_projections.reading import resets

if TYPE_CHECKING:
    from entitlements.domain.pools import ResourcePool
    from entitlements.domain.values import UsageLine
    from entitlements_projections.database import Connection

ALLOWED: Final = "allowed"
#: The feature is for members with a higher role than the subject has in this workspace.
ROLE_IS_TOO_LOW: Final = "role_is_too_low"
_SUSPENDED: Final = frozenset({PoolIsSuspended.code, ProvisionIsSuspended.code})


def which_decides(codes: Sequence[str]) -> int:
    """Which of the answers of a workspace's pools, asked in order, is the answer: the one that allows, else the first that has
    the key and refuses, else the first that would have it but for a suspension, else the first of all.
    """
    if ALLOWED in codes:
        return codes.index(ALLOWED)
    refusing = (place for place, code in enumerate(codes) if code not in HAS_NOTHING)
    suspended = (place for place, code in enumerate(codes) if code in _SUSPENDED)
    return next(refusing, next(suspended, 0))


@dataclass(frozen=True, kw_only=True)
class Narrowing:
    """A cap on what a member draws: an amount in a period, what counts against it, and what is left under it."""

    subject_id: str
    amount: int
    period: str | None
    drawn: int
    reserved: int
    left: int
    #: The override that says so; empty: a cap does.
    override_id: str
    resets_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class PoolAnswer:
    """The answer of one pool. Quantities in the smallest unit; None: without end, or without meaning for a feature."""

    pool_id: str
    code: str
    #: Its columns are those of the view workspace_entitlements; None: the pool never had the key.
    row: Row | None = None
    left: Left | None = None
    #: Who would bear the quantity.
    cover: Cover | None = None
    #: The largest quantity that strict usage of this member could have; None: as much as usage can ask for.
    remaining: int | None = None
    caps: list[Narrowing] = field(default_factory=list)
    #: The override of the workspace or the pool that decides.
    override: Row | None = None
    contributions: list[Row] = field(default_factory=list)

    @property
    def allowed(self) -> bool:
        """Whether strict usage of the quantity would be taken."""
        return self.code == ALLOWED


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What pools say, in the order in which they were asked. Those that are not decisive were passed over."""

    pools: list[PoolAnswer]

    @property
    def decisive(self) -> PoolAnswer:
        """The pool whose answer it is."""
        return self.pools[which_decides([pool.code for pool in self.pools])]


def check(
    connection: Connection,
    asked: reading.Member,
    quantity: int,
    may_overflow: Sequence[bool] = (),
) -> Answer:
    """Ask the pools of a member in their order until one allows, or one refuses from which usage does not go on.

    may_overflow: for each of the pools whether usage may go on from it. Reads what the pools have at one moment.
    """
    with reading.one_moment(connection):
        known = _Known(connection, asked)
        answers: list[PoolAnswer] = []
        for place, pool_id in enumerate(asked.pool_ids):
            answers.append(known.answer(pool_id, quantity))
            overflows = place < len(may_overflow) and may_overflow[place]
            code = answers[-1].code
            if code != ROLE_IS_TOO_LOW and not asks_the_next(code, may_overflow=overflows):
                break
    return Answer(pools=answers)


class _Known:
    """What the read models know of one key for one member, in all of its pools."""

    def __init__(self, connection: Connection, asked: reading.Member) -> None:
        self._connection, self._asked, key = connection, asked, asked.resource_key
        if asked.workspace_id:
            rows = reading.workspace_entitlements(connection, asked.organization_id, asked.workspace_id, key, asked.at)
        else:
            rows = reading.key_of_pools(connection, asked.pool_ids, [key], asked.at)
        self._rows = {row["pool_id"]: row for row in rows}
        self._caps = reading.caps_of_member(connection, asked) if asked.workspace_id else []
        self._overrides = reading.overrides_of_key(connection, asked)
        self._contributions = reading.contributions_of_key(connection, asked)
        keys = sorted({row["credit_key"] for row in rows if row["credit_key"]})
        found = reading.key_of_pools(connection, asked.pool_ids, keys, asked.at) if keys else []
        self._credits = {(row["pool_id"], row["resource_key"]): row for row in found}

    def answer(self, pool_id: str, quantity: int) -> PoolAnswer:
        """What one pool says."""
        row = self._rows.get(pool_id)
        if row is None:
            is_closed = reading.status_of_pool(self._connection, pool_id) == "closed"
            return PoolAnswer(pool_id=pool_id, code=PoolIsClosed.code if is_closed else NotEntitled.code)
        of_workspace, of_pool = deciding_overrides(self._overrides, pool_id)
        facts = KeyFacts(
            row=row,
            credit=self._credits.get((pool_id, row["credit_key"])),
            caps=[cap for cap in self._caps if cap["pool_id"] == pool_id],
            of_workspace=of_workspace,
            of_pool=of_pool,
            contributions=[c for c in self._contributions if c["pool_id"] == pool_id],
        )
        answer = answer_of(facts, self._asked.workspace_id, self._asked.subject_id, quantity)
        is_feature = row["entitlement_type"] == "boolean"
        return replace(answer, code=self._for_role(row)) if is_feature and answer.allowed else answer

    def _for_role(self, row: Row) -> str:
        """A feature that the pool has is had by members of a role only, where its rule says so. Without a subject: by the pool."""
        asked = self._asked
        if not asked.subject_id:
            return ALLOWED
        min_role = reading.min_role_of_feature(self._connection, row["pool_id"], row["resource_key"])
        if not min_role:
            return ALLOWED
        role = reading.role_of_member(self._connection, asked.organization_id, asked.workspace_id, asked.subject_id)
        return ALLOWED if suffices(role, min_role) else ROLE_IS_TOO_LOW


@dataclass(frozen=True, kw_only=True)
class KeyFacts:
    """What the read models know of one key of one pool for one member: what narrows it, and what contributes to it."""

    row: Row
    credit: Row | None = None
    caps: list[Row] = field(default_factory=list)
    of_workspace: Row | None = None
    of_pool: Row | None = None
    contributions: list[Row] = field(default_factory=list)


def answer_of(facts: KeyFacts, workspace_id: str, subject_id: str, quantity: int) -> PoolAnswer:
    """What a pool says that has, or had once, the key: the domain's own strict decision. Roles are not asked here."""
    row = facts.row
    told: dict[str, Any] = {
        "pool_id": row["pool_id"],
        "row": row,
        "override": facts.of_workspace or facts.of_pool,
        "contributions": facts.contributions,
    }
    if row["entitlement_type"] == "boolean":
        return PoolAnswer(code=_but_for_a_suspension(facts, _of_feature(row)), **told)
    pool = standing_of(row, facts.credit, facts.caps, facts.of_workspace)
    entitlement = pool.entitlements[row["resource_key"]]
    left, covered = what_is_left(pool, entitlement), cover(pool, entitlement, quantity)
    narrowing = [_narrowing(cap, row) for cap in facts.caps if _narrows(cap, facts.of_workspace)]
    remaining = min([left.together, *(cap.left for cap in narrowing)])
    return PoolAnswer(
        code=_but_for_a_suspension(facts, _of_quantity(pool, row, (workspace_id, subject_id), quantity, covered)),
        left=left,
        cover=covered,
        # No more than one usage can be. What is unlimited is less what was consumed of it.
        remaining=None if remaining > UNLIMITED // 2 else min(remaining, QUANTITY_MAX),
        caps=narrowing,
        **told,
    )


def _but_for_a_suspension(facts: KeyFacts, code: str) -> str:
    """The code as it is, or that a suspended provision would confer the key (domain/suspension.py); what is denied stays so."""
    is_denied = any(
        override is not None and not override["allowed"] for override in (facts.of_workspace, facts.of_pool)
    )
    if code != NotEntitled.code or is_denied or facts.row["provision_ids"] or not facts.row["suspended"]:
        return code
    return ProvisionIsSuspended.code


def deciding_overrides(overrides: Iterable[Row], pool_id: str) -> tuple[Row | None, Row | None]:
    """The newest override of the workspace, and that of the pool; the rows have the newest last."""
    found: dict[bool, Row] = {bool(o["workspace_id"]): o for o in overrides if o["pool_id"] == pool_id}
    return found.get(True), found.get(False)


def _of_feature(row: Row) -> str:
    if row["pool_status"] != "open" and not row["held"]:
        return (PoolIsClosed if row["pool_status"] == "closed" else PoolIsSuspended).code
    return ALLOWED if row["held"] else NotEntitled.code


def _of_quantity(pool: ResourcePool, row: Row, member: tuple[str, str], quantity: int, covered: Cover) -> str:
    if pool.is_closed:
        return PoolIsClosed.code
    entitlement = pool.entitlements[row["resource_key"]]
    line: UsageLine = {
        "resource_key": row["resource_key"],
        "quantity": quantity,
        "mode": "strict",
        "occurred_at": 0,
        "workspace_id": member[0],
        "usage_id": "",
        "subject_id": member[1],
    }
    refusal = what_refuses(pool, entitlement, line, covered, to_ms(row["at"]))
    return ALLOWED if refusal is None else refusal[0].code


def _narrows(cap: Row, override: Row | None) -> bool:
    """An override of the workspace outranks its cap, with an amount or without; a subject's cap stays (domain/members.py)."""
    if cap["subject_id"]:
        return True
    return bool(cap["override_id"] == ("" if override is None else override["override_id"]))


def _narrowing(row: Row, of_key: Row) -> Narrowing:
    cap, at_ms = cap_of(row), to_ms(of_key["at"])
    is_current = cap.period_start_ms <= at_ms < cap.period_end_ms
    drawn = cap.consumed if is_current else 0
    return Narrowing(
        subject_id=row["subject_id"],
        amount=cap.amount,
        period=cap.period or of_key["period"],
        drawn=drawn,
        reserved=row["reserved"],
        left=max(0, cap.amount - drawn - row["reserved"]),
        override_id=row["override_id"],
        resets_at=resets.of_cap(
            row["drawn_until"] if is_current else None,
            cap.period,
            of_key["at"],
            of_key["time_zone"],
            of_key["resets_at"],
        ),
    )
