"""The catalogue as the OpenAPI document tells it: sets, ladders and resource keys. What a column means, its comment says (openapi/descriptions.py)."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from entitlements.api.openapi.descriptions import described_by
from entitlements.domain.values import (
    DataType,
    EntitlementType,
    Inheritance,
    OverageAtReset,
    OverridePolicy,
    RuleType,
    Stacking,
)


class SetParent(BaseModel):
    """A version of a set that another one extends."""

    set_id: str = Field(description="The set.")
    version: int = Field(description="Its version.")


class RuleBody(BaseModel):
    """What a set confers on one resource key, as it was defined."""

    model_config = described_by("entitlement_set_rules")

    resource_key: str
    rule_type: RuleType
    amount: int | None
    soft_limit: int | None
    hard_limit: int | None
    period: str | None
    stacking: Stacking
    per_unit: bool
    denied: bool
    anchored: bool
    recurs: str | None
    rollover_min: int
    rollover_max: int
    overage_at_reset: OverageAtReset
    grace_for: int
    credit_key: str | None
    credit_rate: int
    credit_per: int
    min_role: str


class SetRule(RuleBody):
    """What a version of a set confers on one resource key, with what is said of the key."""

    model_config = described_by("entitlement_set_rules", "resource_keys")

    set_id: str
    set_version: int
    position: int
    name: str | None = Field(description="The key's name for people; null: it is not defined.")
    data_type: DataType | None
    unit: str | None
    scale: int | None


class SetOwnRule(BaseModel):
    """What a set that extends others says itself of one key."""

    rule: RuleBody = Field(description="The rule.")
    stated: list[str] = Field(description="The fields of the rule that the set states; the others are inherited.")


class SetBody(BaseModel):
    """A version of an entitlement set."""

    model_config = described_by("entitlement_sets")

    set_id: str
    set_version: int
    name: str
    ladder: str | None
    rung: int | None
    defined_at: datetime
    actor: str
    inheritance: Inheritance
    own_rules: list[SetOwnRule]
    extends: list[SetParent] = Field(description="The versions of sets that it extends, in their order.")
    rules: list[SetRule] = Field(description="What it confers, inherited rules included.")


class Rung(BaseModel):
    """A rung of a plan ladder: a service tier."""

    rung: int = Field(description="Its number; higher is more.")
    name: str = Field(description="Its name for people.")


class SetOnLadder(BaseModel):
    """A set that is on a ladder, in its newest version."""

    set_id: str = Field(description="The set.")
    set_version: int = Field(description="Its newest version.")
    name: str = Field(description="Its name for people.")
    rung: int | None = Field(description="Its rung.")


class LadderBody(BaseModel):
    """A plan ladder."""

    model_config = described_by("plan_ladders")

    ladder: str
    name: str | None
    rungs: list[Rung] | None
    defined_at: datetime | None
    actor: str | None
    is_defined: bool = Field(description="False: sets name it, and nobody has defined it.")
    sets: list[SetOnLadder] = Field(description="The sets that are on it now, by rung.")


class KeyUsageTracking(BaseModel):
    """How the usage of a key is counted."""

    enabled: bool = Field(description="Whether usage is counted.")
    reset_period: str | None = Field(description="How often it resets, such as month; null: it does not.")
    soft_limit: int | None = Field(description="Warn from here on, in the smallest unit; null: no warning.")
    hard_limit: int | None = Field(description="Refuse strict usage above, in the smallest unit; null: no limit.")


class KeyConstraints(BaseModel):
    """Where and when a key may be used."""

    geographic_restrictions: list[str] = Field(
        description="Countries (DE), subdivisions (US-CA) or regions (EU, EEA); empty: everywhere."
    )
    start_date: datetime | None = Field(description="From when on; null: always before end_date.")
    end_date: datetime | None = Field(description="Through this second; null: always after start_date.")


class ResourceKeyBody(BaseModel):
    """A resource key."""

    model_config = described_by("resource_keys")

    resource_key: str
    name: str | None
    data_type: DataType | None
    unit: str | None
    scale: int | None
    defined_at: datetime | None
    actor: str | None
    version: int
    entitlement_type: EntitlementType | None
    default_value: int | None
    override_policy: OverridePolicy | None
    usage_tracking: KeyUsageTracking | None
    constraints: KeyConstraints | None
    inherits_from: list[str] = Field(description="The keys that it inherits from, in their order.")
