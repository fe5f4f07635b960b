"""The values that commands and events carry. Each equals its .avsc in schemas (entities); a test holds them together.

Lines and totals of usage are typed dicts, not dataclasses, and their instants are epoch milliseconds: they are the one thing there is
a hundred thousand of a second, and so they travel from Avro to the rules and back without being touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypedDict

RuleType = Literal["boolean", "limit", "quota", "credit"]
EntitlementType = Literal["boolean", "limit", "quota"]
PeriodName = Literal["hour", "day", "month"]
Stacking = Literal["any", "sum", "max"]
UsageMode = Literal["strict", "report"]
DataType = Literal["boolean", "integer"]
ProvisionSource = Literal["subscription", "purchase", "grant"]
AssignmentRole = Literal["primary", "secondary"]
EndReason = Literal["expired", "ended", "revoked", "pool_closed"]

QUANTITY_MAX: Final = 2**53
ID_CHARACTERS_MAX: Final = 128


def is_id(text: str, characters_min: int = 1) -> bool:
    """Whether a text can be an id. Not with a zero character, which Postgres cannot store."""
    return characters_min <= len(text) <= ID_CHARACTERS_MAX and "\0" not in text


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What one entitlement set version confers on one resource key. Amounts in the smallest unit; None is unlimited."""

    resource_key: str
    rule_type: RuleType
    amount: int | None = None
    soft_limit: int | None = None
    hard_limit: int | None = None
    period: PeriodName | None = None
    stacking: Stacking
    per_unit: bool = False


@dataclass(frozen=True, kw_only=True)
class EffectiveValue:
    """What a pool has of one key after stacking. Limits in the smallest unit; None is unlimited (or: a feature)."""

    limit: int | None
    soft_limit: int | None
    hard_limit: int | None
    period: PeriodName | None


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What one provision adds to one entitlement."""

    provision_id: str
    limit: int | None
    soft_limit: int | None
    hard_limit: int | None


@dataclass(frozen=True, kw_only=True)
class EntitlementChange:
    """Before and after of one entitlement of one pool; None: the pool has it not."""

    resource_key: str
    entitlement_type: EntitlementType
    before: EffectiveValue | None
    after: EffectiveValue | None
    stacking: Stacking
    contributions: list[Contribution]


class UsageTotal(TypedDict):
    """What is consumed in a period, or held now (then without one), in the smallest unit; instants in epoch milliseconds."""

    resource_key: str
    period_start: int | None
    period_end: int | None
    consumed: int


@dataclass(frozen=True, kw_only=True)
class UsageSource:
    """The last numbered batch of a source that was counted."""

    source: str
    sequence: int


class UsageLine(TypedDict):
    """One line of usage as it is reported; occurred_at in epoch milliseconds, 0: at the instant of the decision."""

    resource_key: str
    quantity: int
    mode: UsageMode
    occurred_at: int
    workspace_id: str
    usage_id: str


class RecordedLine(TypedDict):
    """One line of usage as it was recorded; instants in epoch milliseconds."""

    resource_key: str
    quantity: int
    overage: int
    mode: UsageMode
    occurred_at: int
    recorded_at: int
    workspace_id: str
    usage_id: str
    provision_id: str
    late: bool


class RefusedLine(TypedDict):
    """One line of strict usage that was refused whole; instants in epoch milliseconds, remaining -1: without meaning."""

    resource_key: str
    quantity: int
    occurred_at: int
    recorded_at: int
    workspace_id: str
    usage_id: str
    code: str
    remaining: int


class UsageGroup(TypedDict):
    """The lines of one pool in a batch of many."""

    pool_id: str
    lines: list[UsageLine]
