"""The definition document of a resource key, JSON or YAML, as it stands: its field names are a public contract.

```json
{"entitlement_id": "premium_analytics", "name": "Premium Analytics Access", "type": "feature", "data_type": "boolean",
 "default_value": false,
 "inheritance_rules": {"inherits_from": ["basic_analytics"], "override_policy": "always_allow"},
 "usage_tracking": {"enabled": true, "reset_period": "monthly", "soft_limit": 1000, "hard_limit": 1200},
 "constraints": {"geographic_restrictions": ["EU", "US"],
                 "time_restrictions": {"start_date": "2024-01-01T00:00:00Z", "end_date": "2024-12-31T23:59:59Z"}}}
```
What a document leaves out is said beside each field.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    StrictBool,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from entitlements.domain.commands import DefineResourceKey
from entitlements.domain.errors import InvalidCommand
from entitlements.domain.key_terms import PLACE, check_terms
from entitlements.domain.periods import check_period
from entitlements.domain.values import Constraints, DataType, EntitlementType, KeyTerms, OverridePolicy, UsageTracking
from entitlements.intake.definitions import Amount, DefinitionIsInvalid, Id, explained, read_document
from entitlements.intake.strict import Instant, Known
from entitlements.ledger.caller import new_id

_TYPES: Final[dict[str, EntitlementType]] = {
    "feature": "boolean",
    "limit": "limit",
    "quota": "quota",
    "credit": "credit",
}
_PERIODS: Final = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month", "yearly": "year"}


class _Document(Known):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


def _period(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    period = _PERIODS.get(value, value)
    try:
        check_period(period)
    except InvalidCommand:
        raise ValueError(f"must be {', '.join(_PERIODS)}, lifetime or a duration such as P14D") from None
    return period


def _place(value: Any) -> Any:
    if not isinstance(value, str) or PLACE.fullmatch(value) is None:
        raise ValueError("must be a country such as DE, a subdivision such as US-CA, or a region: EU, EEA")
    return value


class InheritanceRules(_Document):
    """The features that whoever holds this one is granted too."""

    inherits_from: list[Id] = []
    override_policy: OverridePolicy = "parent_wins"


class Tracking(_Document):
    """How usage is counted, in the smallest unit."""

    enabled: StrictBool = True
    reset_period: Annotated[str, BeforeValidator(_period)] | None = None  # It does not reset.
    soft_limit: Amount | None = None  # No warning.
    hard_limit: Amount | None = None  # No limit of its own.

    @model_validator(mode="after")
    def _warns_first(self) -> Self:
        if self.soft_limit is not None and self.hard_limit is not None and self.soft_limit > self.hard_limit:
            raise ValueError("soft_limit must not be above hard_limit")
        return self


class TimeRestrictions(_Document):
    """When it may be used: from start_date on, through the second of end_date."""

    start_date: Instant | None = None  # Since ever.
    end_date: Instant | None = None  # For ever.

    @model_validator(mode="after")
    def _ends_after_its_start(self) -> Self:
        if self.start_date is not None and self.end_date is not None and self.end_date < self.start_date:
            raise ValueError("end_date must not be before start_date")
        return self


class ConstraintsDocument(_Document):
    """Where and when it may be used."""

    geographic_restrictions: list[Annotated[str, BeforeValidator(_place)]] = []  # Everywhere.
    time_restrictions: TimeRestrictions = TimeRestrictions()  # Always.


class KeyDocument(_Document):
    """A resource key."""

    entitlement_id: Id
    name: str = ""  # For people; the id.
    type: Literal["feature", "limit", "quota", "credit"]
    data_type: DataType
    default_value: Any = None  # Nothing, where nothing confers it.
    inheritance_rules: InheritanceRules = InheritanceRules()
    usage_tracking: Tracking | None = None
    constraints: ConstraintsDocument | None = None

    @field_validator("data_type")
    @classmethod
    def _fits_its_type(cls, data_type: DataType, others: ValidationInfo) -> DataType:
        kind = others.data.get("type")
        if kind is not None and (kind == "feature") != (data_type == "boolean"):
            raise ValueError("data_type must be boolean for a feature, integer otherwise")
        return data_type

    @field_validator("default_value")
    @classmethod
    def _fits_its_data_type(cls, value: Any, others: ValidationInfo) -> Any:
        is_feature = others.data.get("data_type") == "boolean"
        if value is not None and type(value) is not (bool if is_feature else int):
            raise ValueError(
                "the default of a feature must be true or false" if is_feature else "the default must be an integer"
            )
        return value

    def terms(self) -> KeyTerms:
        """What it says beyond name and type of values."""
        tracking, limits = self.usage_tracking, self.constraints
        return KeyTerms(
            entitlement_type=_TYPES[self.type],
            default_value=None if self.default_value is None else int(self.default_value),
            inherits_from=self.inheritance_rules.inherits_from,
            override_policy=self.inheritance_rules.override_policy,
            usage_tracking=None if tracking is None else UsageTracking(**tracking.model_dump()),
            constraints=None
            if limits is None
            else Constraints(
                geographic_restrictions=limits.geographic_restrictions, **limits.time_restrictions.model_dump()
            ),
        )

    def command(self, actor: str, *, unit: str = "", scale: int = 0) -> DefineResourceKey:
        """Define the key; the same document again changes nothing."""
        return DefineResourceKey(
            command_id=new_id(),
            actor=actor,
            resource_key=self.entitlement_id,
            name=self.name or self.entitlement_id,
            data_type=self.data_type,
            unit=unit,
            scale=scale,
            terms=self.terms(),
        )


def read_key(path: Path) -> KeyDocument:
    """Read a key's document. Raises DefinitionIsInvalid, naming the place in the file, InheritanceCycle."""
    return parse_key(read_document(path), str(path))


def parse_key(content: Any, where: str) -> KeyDocument:
    """Check a key's document. Raises DefinitionIsInvalid, InheritanceCycle."""
    try:
        document = KeyDocument.model_validate(content)
        check_terms(document.entitlement_id, document.data_type, document.terms())
    except ValidationError as error:
        raise DefinitionIsInvalid(f"{where}: {explained(error)}") from error
    except InvalidCommand as refusal:
        raise DefinitionIsInvalid(f"{where}: {refusal}") from refusal
    return document
