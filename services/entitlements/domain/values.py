"""The values that commands and events carry. Each equals its .avsc in schemas (entities); a test holds them together.

Lines and totals of usage are typed dicts, not dataclasses, and their instants are epoch milliseconds: they are the one thing there is
a hundred thousand of a second, and so they travel from Avro to the rules and back without being touched.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, TypedDict

RuleType = Literal["boolean", "limit", "quota", "credit"]
EntitlementType = Literal["boolean", "limit", "quota", "credit"]
#: hour, day, week, month, year, lifetime or an ISO 8601 duration; periods.py says what each means.
PeriodName = str
Stacking = Literal["any", "sum", "max", "min", "override"]
OverageAtReset = Literal["forgive", "preserve"]
UsageMode = Literal["strict", "report"]
DataType = Literal["boolean", "integer"]
ProvisionSource = Literal["subscription", "purchase", "grant"]
AssignmentRole = Literal["primary", "secondary"]
#: How a set changes what it inherits, and whether holding a key grants its parents.
Inheritance = Literal["merge", "replace", "additive"]
OverridePolicy = Literal["always_allow", "parent_wins", "child_wins"]
#: What an access policy does where it wins, and what an API key may be used for.
PolicyEffect = Literal["ALLOW", "DENY"]
ApiScope = Literal["read", "use", "administer", "audit"]
#: When a provision ends that somebody ends.
EndAt = Literal["now", "period_end", "at"]
EndReason = Literal["expired", "ended", "revoked", "pool_closed", "replaced"]
#: Who bears a part of a line of usage: what a provision includes, a credit balance, an on-demand payer, or nobody.
Bearer = Literal["included", "credit", "on_demand", "overage"]

QUANTITY_MAX: Final = 2**53
ID_CHARACTERS_MAX: Final = 128


#: What clients and proxies take out of a path, percent-encoded or not (RFC 3986, 6.2.2.3): no id that is named in paths.
NO_SEGMENTS: Final = (".", "..")


#: What the id of an API key is made of. A key itself, ent_<id>_<secret>, is none: its secret must stand nowhere.
KEY_ID: Final = "[A-Za-z0-9]{8,64}"


def is_key_id(text: str) -> bool:
    """Whether a text can be the id of an API key."""
    return re.fullmatch(KEY_ID, text) is not None


def is_id(text: str, characters_min: int = 1) -> bool:
    """Whether a text can be an id. Not with a zero character, which Postgres cannot store."""
    return characters_min <= len(text) <= ID_CHARACTERS_MAX and "\0" not in text


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What one version of an entitlement set includes of one resource key. Amounts in the smallest unit; null: unlimited."""

    resource_key: str
    rule_type: RuleType
    amount: int | None = None
    soft_limit: int | None = None
    hard_limit: int | None = None
    period: PeriodName | None = None
    stacking: Stacking
    per_unit: bool = False
    #: Of a feature that stacks by override: it is taken away.
    denied: bool = False
    #: The period is counted from the pool's billing anchor, not from the calendar.
    anchored: bool = False
    #: Inside a longer period the included amount comes anew so often; what is left of it lapses.
    recurs: PeriodName | None = None
    #: Of what is left at a reset so much is carried over: at least, at most. In the smallest unit.
    rollover_min: int = 0
    rollover_max: int = 0
    overage_at_reset: OverageAtReset = "forgive"
    #: Seconds for which usage that arrives late still counts in its own period.
    grace_for: int = 0
    #: What is used beyond the included amount draws on this credit key: credit_rate units for every credit_per.
    credit_key: str | None = None
    credit_rate: int = 0
    credit_per: int = 1
    #: The least role of a member that has the feature; empty: every member.
    min_role: str = ""


@dataclass(frozen=True, kw_only=True)
class ParentSet:
    """A set version that another set extends."""

    set_id: str
    version: int


@dataclass(frozen=True, kw_only=True)
class LadderRung:
    """A rung of a plan ladder: a service tier. A higher number is a higher tier."""

    rung: int
    name: str


@dataclass(frozen=True, kw_only=True)
class OwnRule:
    """A set's own rule for one resource key, if the set extends others: the fields of the rule listed in `stated`."""

    rule: Rule
    stated: list[str]


@dataclass(frozen=True, kw_only=True)
class UsageTracking:
    """How the usage of a resource key is counted. Limits in the smallest unit."""

    enabled: bool
    reset_period: PeriodName | None = None
    soft_limit: int | None = None
    hard_limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """Where and when a resource key may be used: in these places, through the second of end_date."""

    geographic_restrictions: list[str] = field(default_factory=list)
    start_date: datetime | None = None
    end_date: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class KeyTerms:
    """Definition document of a resource key, apart from its name and data type.

    default_value: in the smallest unit; for a feature 1 (on). null: nothing.
    """

    entitlement_type: EntitlementType
    default_value: int | None = None
    inherits_from: list[str] = field(default_factory=list)
    override_policy: OverridePolicy = "parent_wins"
    usage_tracking: UsageTracking | None = None
    constraints: Constraints | None = None


@dataclass(frozen=True, kw_only=True)
class EffectiveValue:
    """What a pool has of one key after stacking. Limits in the smallest unit; None is unlimited (or: a feature).

    What cannot be added up (from `anchored` on) is that of the contribution that ranks first: the highest rung, then the newest.
    """

    limit: int | None
    soft_limit: int | None
    hard_limit: int | None
    period: PeriodName | None
    anchored: bool = False
    overage_at_reset: OverageAtReset = "forgive"
    grace_for: int = 0
    credit_key: str | None = None
    credit_rate: int = 0
    credit_per: int = 1
    min_role: str = ""
    #: The administrator's override that set this; empty: stacking did.
    override_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What one provision adds to one entitlement; in the order in which usage burns them.

    `limit` includes what was carried over. `kept`: the provision has left within the period; what was consumed of it stays, and
    is all that it still adds. `paused`: it is kept because its provision or the pool is suspended, and goes on in silence.
    """

    provision_id: str
    limit: int | None
    soft_limit: int | None
    hard_limit: int | None
    carried: int = 0
    consumed: int = 0
    kept: bool = False
    recurs: PeriodName | None = None
    paused: bool = False


@dataclass(frozen=True, kw_only=True)
class Share:
    """The part of one contribution in a quantity, in the smallest unit."""

    provision_id: str
    quantity: int


@dataclass(frozen=True, kw_only=True)
class PreservedOverage:
    """Overage of a period that is over, in the smallest unit; it is owed still, until an instant."""

    quantity: int
    until_at: datetime


@dataclass(frozen=True, kw_only=True)
class EntitlementChange:
    """Before and after of one entitlement of one pool; None: the pool has it not.

    uncounted: what of the consumption under way takes nothing from the limit, beside what credits and payers bear.
    """

    resource_key: str
    entitlement_type: EntitlementType
    before: EffectiveValue | None
    after: EffectiveValue | None
    stacking: Stacking
    contributions: list[Contribution]
    #: How often it resets; as it was where nobody confers it.
    period: PeriodName | None
    uncounted: int = 0


@dataclass(frozen=True, kw_only=True)
class AssignmentChange:
    """A pool assigned to a customer through its unit from now on; without a role the assignment ends."""

    workspace_id: str
    pool_id: str
    role: AssignmentRole | None
    may_overflow: bool = False


@dataclass(frozen=True, kw_only=True)
class KeyPeriod:
    """The current period of one key."""

    resource_key: str
    period_start: datetime
    period_end: datetime


@dataclass(frozen=True, kw_only=True)
class CapPeriod:
    """Current end of all caps that have this period of their own, whenever they started."""

    period: PeriodName
    period_end: datetime


class UsageTotal(TypedDict):
    """What is consumed in a period, or held now (then without one), in the smallest unit; instants in epoch milliseconds."""

    resource_key: str
    period_start: int | None
    period_end: int | None
    consumed: int
    #: The part of it that credits or an on-demand payer bear.
    elsewhere: int
    #: Overage that is neither paid nor forgiven, of this period and preserved from earlier ones.
    owed: int


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
    subject_id: str


class UsagePart(TypedDict):
    """A part of a recorded line and what it was charged to.

    charge: credit units, or minor units of the payer's currency for on-demand; 0 for what is included and for overage.
    credit_key: whose units they are. Of a part that is taken back, lapsed: its period or recurrence is over, so who bore it can
    not give it once more; repriced: the rate or price was another one, so rounding does not go on from it.
    """

    bearer: Bearer
    provision_id: str
    payer: str
    quantity: int
    charge: int
    credit_key: str
    lapsed: bool
    repriced: bool
    #: Of overage that is taken back: the contribution had paid it.
    paid: bool
    #: An override admits it: no contribution bears it.
    admitted: bool


def admitted_part(bearer: Bearer, quantity: int, *, charge: int = 0, credit_key: str = "") -> UsagePart:
    """A part that an override admits, and no contribution bears."""
    return part_of(bearer, "", quantity, charge=charge, credit_key=credit_key) | {"admitted": True}


def part_of(
    bearer: Bearer, provision_id: str, quantity: int, *, payer: str = "", charge: int = 0, credit_key: str = ""
) -> UsagePart:
    """A part of a line, borne or (with a negative quantity) taken back."""
    return {
        "bearer": bearer,
        "provision_id": provision_id,
        "payer": payer,
        "quantity": quantity,
        "charge": charge,
        "credit_key": credit_key,
        "lapsed": False,
        "repriced": False,
        "paid": False,
        "admitted": False,
    }


class LineDetails(TypedDict):
    """What only few recorded lines have to say.

    counted_in: start of the closed period that a late line within its grace counts in, in epoch milliseconds, 0: the current
    one. reservation_id: what it was committed from. parts: who bears what, where more than one does; together they are the
    quantity.
    """

    subject_id: str
    counted_in: int
    reservation_id: str
    parts: list[UsagePart]


class RecordedLine(TypedDict):
    """One line of usage as it was recorded; instants in epoch milliseconds.

    Without parts in its details the provision bears all but the overage, which nobody bears: the usual case, kept short.
    """

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
    details: LineDetails | None


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
    subject_id: str


class UsageGroup(TypedDict):
    """The lines of one pool in a batch of many."""

    pool_id: str
    lines: list[UsageLine]
