"""Files that define resource keys and entitlement sets, YAML or JSON: checked here, then commands.

The words are those of the commands; what a file leaves out is said beside each field.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    ValidationError,
    model_validator,
)

from entitlements.domain.commands import DefineEntitlementSet, DefineLadder, DefineResourceKey
from entitlements.domain.inheritance import Catalogue, SetVersion, newest, resolve
from entitlements.domain.values import (
    DataType,
    Inheritance,
    LadderRung,
    OverageAtReset,
    OwnRule,
    ParentSet,
    PeriodName,
    Rule,
    RuleType,
    Stacking,
)
from entitlements.errors import RequestError
from entitlements.intake.strict import NARROW_MAX, NARROW_MIN, Known, said_of
from entitlements.intake.synonyms import advice_on_file
from entitlements.ledger.caller import new_id
from entitlements.settings import ID_CHARACTERS_MAX, QUANTITY_MAX
from entitlements_client.deciding.refusals import shown

FILE_BYTES_MAX: Final = 1024 * 1024
UNLIMITED: Final = "unlimited"

Id = Annotated[str, Field(min_length=1, max_length=ID_CHARACTERS_MAX)]
Rung = Annotated[StrictInt, Field(ge=NARROW_MIN, le=NARROW_MAX)]
Amount = Annotated[StrictInt, Field(ge=0, le=QUANTITY_MAX)]
IncludedAmount = Annotated[Amount | None, BeforeValidator(lambda value: None if value == UNLIMITED else value)]


class DefinitionIsInvalid(RequestError):
    """Invalid definition."""

    code = "definition_is_invalid"


class _Definition(Known):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class KeyDefinition(_Definition):
    """A resource key: something one can be entitled to."""

    name: str = ""  # For people; the key itself.
    data_type: DataType = "integer"  # boolean for features.
    unit: str = ""
    scale: Annotated[StrictInt, Field(ge=0, le=18)] = 0  # Decimals that people see.

    def command(self, resource_key: str, actor: str) -> DefineResourceKey:
        """Bring the key into the namespace."""
        facts = self.model_dump() | {"name": self.name or resource_key}
        return DefineResourceKey(command_id=new_id(), actor=actor, resource_key=resource_key, **facts)


class RungDefinition(_Definition):
    """A rung of a plan ladder: a service tier."""

    rung: Rung
    name: Id


class LadderDefinition(_Definition):
    """A plan ladder, its rungs by rising number."""

    ladder: Id
    name: str = ""  # For people; the id.
    rungs: list[RungDefinition] = Field(min_length=1)

    def command(self, actor: str) -> DefineLadder:
        """Define the ladder."""
        rungs = [LadderRung(rung=each.rung, name=each.name) for each in self.rungs]
        name = self.name or self.ladder
        return DefineLadder(command_id=new_id(), actor=actor, ladder=self.ladder, name=name, rungs=rungs)


class RuleDefinition(_Definition):
    """What the set confers on one resource key. Where it changes or adds to what is inherited it need not be whole."""

    resource_key: Id
    rule_type: RuleType | None = None  # That of the inherited rule.
    amount: IncludedAmount = None  # Needed for limits and quotas; `unlimited` must be said.
    soft_limit: Amount | None = None  # No warning.
    hard_limit: Amount | None = None  # The amount.
    period: PeriodName | None = None  # Needed for quotas.
    stacking: Stacking | None = None  # sum for numbers, any for features.
    per_unit: StrictBool = False
    denied: StrictBool = False  # A feature that stacks by override may be taken away.
    anchored: StrictBool = False  # The period counts from the calendar, not from the billing anchor.
    recurs: PeriodName | None = None  # It does not come anew inside its period.
    rollover_min: Amount = 0
    rollover_max: Amount = 0  # Nothing is carried over.
    overage_at_reset: OverageAtReset = "forgive"
    grace_for: Annotated[StrictInt, Field(ge=0)] = 0  # Seconds; late usage does not count.
    credit_key: Id | None = None  # What is not included draws on no credits.
    credit_rate: Amount = 0
    credit_per: Annotated[StrictInt, Field(ge=1)] = 1
    min_role: str = ""  # Every member.

    def require_whole(self) -> None:
        """Raises ValueError when it cannot stand by itself."""
        if self.rule_type is None:
            raise ValueError(f"{self.resource_key} needs a rule_type: boolean, limit, quota or credit")
        if self.rule_type in {"limit", "quota", "credit"} and "amount" not in self.model_fields_set:
            raise ValueError(f"{self.resource_key} needs an amount: an integer, or `{UNLIMITED}`")
        if self.rule_type == "quota" and self.period is None:
            raise ValueError(
                f"{self.resource_key} needs a period: hour, day, week, month, year, lifetime or a duration such as P14D"
            )

    def rule(self) -> Rule:
        """The rule as commands carry it."""
        rule_type = self.rule_type or "boolean"  # Not stated, so without meaning.
        stacking: Stacking = self.stacking or ("any" if rule_type == "boolean" else "sum")
        return Rule(**self.model_dump() | {"rule_type": rule_type, "stacking": stacking})

    def own_rule(self) -> OwnRule:
        """The rule, and what of it the file states."""
        return OwnRule(rule=self.rule(), stated=sorted(self.model_fields_set - {"resource_key"}))


class ParentDefinition(_Definition):
    """A set to extend."""

    set_id: Id
    version: Annotated[StrictInt, Field(ge=1, le=NARROW_MAX)] | None = None  # The newest when the set is defined.


#: A set to extend, by its id alone or with a version.
Parent = Annotated[
    ParentDefinition, BeforeValidator(lambda value: {"set_id": value} if isinstance(value, str) else value)
]


class SetDefinition(_Definition):
    """An entitlement set, and the resource keys it brings along."""

    set_id: Id
    name: str = ""  # For people; the id.
    ladder: Id | None = None
    rung: Rung | None = None
    keys: dict[Id, KeyDefinition] = {}
    extends: list[Parent] = []  # It extends no other set.
    inheritance: Inheritance = "merge"
    rules: list[RuleDefinition] = []  # Needed where it extends no other.

    @model_validator(mode="after")
    def _stands_or_extends(self) -> Self:
        if not self.extends and "inheritance" in self.model_fields_set:
            raise ValueError("inheritance requires extends")
        if not self.extends and not self.rules:
            raise ValueError("a set without extends needs at least 1 rule")
        for rule in self.rules:
            if not self.extends or self.inheritance == "replace":
                rule.require_whole()
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.ladder is None) != (self.rung is None):
            raise ValueError("set both ladder and rung, or neither")
        for rule in self.rules:
            key = self.keys.get(rule.resource_key)
            if rule.rule_type and key is not None and (rule.rule_type == "boolean") != (key.data_type == "boolean"):
                raise ValueError(
                    f"{rule.resource_key} is a {key.data_type} key; it cannot have a {rule.rule_type} rule"
                )
        return self

    def key_commands(self, actor: str) -> list[DefineResourceKey]:
        """Define the keys it brings along."""
        return [key.command(resource_key, actor) for resource_key, key in self.keys.items()]

    def parents(self) -> Iterable[tuple[str, int | None]]:
        """The sets it extends and their versions; None: the newest."""
        return ((parent.set_id, parent.version) for parent in self.extends)

    def set_command(self, actor: str, catalogue: Catalogue = MappingProxyType({})) -> DefineEntitlementSet:
        """Define the set; the same definition again makes no new version.

        What it inherits is resolved here, by a catalogue that holds all it descends from: the decision looks nothing up. Raises
        UnknownParent, InheritanceCycle, InheritanceIsTooDeep, ParentsDisagree, InvalidRules.
        """
        version = SetVersion(
            set_id=self.set_id,
            version=0,  # Nobody knows its number yet.
            extends=[
                ParentSet(set_id=name, version=number or newest(name, catalogue)) for name, number in self.parents()
            ],
            inheritance=self.inheritance,
            own_rules=[rule.own_rule() for rule in self.rules],
        )
        resolved = resolve(version, catalogue)
        return DefineEntitlementSet(
            command_id=new_id(),
            actor=actor,
            set_id=self.set_id,
            name=self.name or self.set_id,
            ladder=self.ladder,
            rung=self.rung,
            rules=resolved.rules,
            extends=list(version.extends),
            inheritance=self.inheritance,
            own_rules=resolved.own_rules,
        )


def read_set(path: Path) -> SetDefinition:
    """Read a set's file. Raises DefinitionIsInvalid, naming the place in the file."""
    return parse_set(read_file(path), str(path))


def read_ladder(path: Path) -> LadderDefinition:
    """Read a ladder's file. Raises DefinitionIsInvalid, naming the place in the file."""
    try:
        return LadderDefinition.model_validate(read_file(path))
    except ValidationError as error:
        raise DefinitionIsInvalid(f"{path}: {explained(error)}") from error


def parse_set(content: Any, where: str) -> SetDefinition:
    """Check a set's definition. Raises DefinitionIsInvalid."""
    try:
        return SetDefinition.model_validate(content)
    except ValidationError as error:
        raise DefinitionIsInvalid(f"{where}: {explained(error)}") from error


def explained(error: ValidationError) -> str:
    """The first thing that is wrong, in a sentence that names its place."""
    what = error.errors(include_url=False)[0]
    place = ".".join(map(str, what["loc"]))
    message = said_of(what)
    if not place:
        return f"{message}."
    given = "" if what["type"] in {"missing", "unknown_field"} else f", not {shown(what['input'])}"
    return f"{place}: {message}{given}".rstrip(".") + ("" if message.endswith("?") else ".")


def read_document(path: Path) -> dict[str, Any]:
    """Read a file of named fields, YAML or JSON. Raises DefinitionIsInvalid."""
    content = read_file(path)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise DefinitionIsInvalid(f"{path} must be a mapping of fields to values.")
    return content


def read_file(path: Path) -> Any:
    """What a file says, YAML or JSON. Raises DefinitionIsInvalid."""
    import yaml

    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise DefinitionIsInvalid(f"{path} is larger than {FILE_BYTES_MAX} bytes.")
        return yaml.safe_load(path.read_text(encoding="utf-8"))  # JSON is YAML too.
    except OSError as error:
        invalid = DefinitionIsInvalid(f"{path}: {error.strerror or error}.")
        invalid.advice = advice_on_file(path)  # type: ignore[attr-defined]
        raise invalid from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DefinitionIsInvalid(f"{path} is neither YAML nor JSON: {' '.join(str(error).split())}.") from error
