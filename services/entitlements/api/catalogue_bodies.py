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
    """A set version that another set extends."""

    set_id: str = Field(description="The set.")
    version: int = Field(description="Version.")


class RuleBody(BaseModel):
    """What a set includes of one resource key, as defined."""

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
    """What a version of a set includes of one resource key, with the definition of the key."""

    model_config = described_by("entitlement_set_rules", "resource_keys")

    set_id: str
    set_version: int
    position: int
    name: str | None = Field(description="Display name of the key; null: the key is not defined.")
    data_type: DataType | None
    unit: str | None
    scale: int | None


class SetOwnRule(BaseModel):
    """A set's own rule for one resource key, if the set extends others."""

    rule: RuleBody = Field(description="The rule.")
    stated: list[str] = Field(
        description="Names of the rule's fields that the set states itself; the others are inherited."
    )


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
    extends: list[SetParent] = Field(description="The set versions it extends, in order.")
    rules: list[SetRule] = Field(description="Its rules, including inherited ones.")


class Rung(BaseModel):
    """A rung of a plan ladder: a service tier."""

    rung: int = Field(description="Its number; a higher number is a higher tier.")
    name: str = Field(description="Display name.")


class SetOnLadder(BaseModel):
    """A set on a ladder, in its newest version."""

    set_id: str = Field(description="The set.")
    set_version: int = Field(description="Its newest version.")
    name: str = Field(description="Display name.")
    rung: int | None = Field(description="Its rung.")


class LadderBody(BaseModel):
    """A plan ladder."""

    model_config = described_by("plan_ladders")

    ladder: str
    name: str | None
    rungs: list[Rung] | None
    defined_at: datetime | None
    actor: str | None
    is_defined: bool = Field(description="False: sets use it, but it is not defined.")
    sets: list[SetOnLadder] = Field(description="The sets on it, by rung.")


class KeyUsageTracking(BaseModel):
    """How the usage of a resource key is counted."""

    enabled: bool = Field(description="Whether usage is counted.")
    reset_period: str | None = Field(description="How often it resets, such as month; null: never.")
    soft_limit: int | None = Field(description="Warning threshold, in the smallest unit; null: none.")
    hard_limit: int | None = Field(
        description="Strict usage above this is refused, in the smallest unit; null: no limit."
    )


class KeyConstraints(BaseModel):
    """Where and when a resource key may be used."""

    geographic_restrictions: list[str] = Field(
        description="Countries (DE), subdivisions (US-CA) or regions (EU, EEA); empty: anywhere."
    )
    start_date: datetime | None = Field(description="Usable from this time on; null: no start.")
    end_date: datetime | None = Field(description="Usable through this second; null: no end.")


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
    inherits_from: list[str] = Field(description="The keys it inherits from, in order.")
