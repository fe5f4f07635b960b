"""What may stand in a scenario file: the models that check it, and the JSON Schema by which editors complete it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Final, Literal, Self, get_args

from pydantic import Field, GetJsonSchemaHandler, create_model, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from entitlements.domain.aggregate import EPOCH
from entitlements.domain.commands import DefineEntitlementSet, DefineResourceKey, OpenPool
from entitlements.domain.periods import ANCHOR_BEFORE
from entitlements.domain.pools import PoolStatus, ProvisionStatus
from entitlements.domain.values import UsageLine
from entitlements.scenarios.asking import model_of
from entitlements.scenarios.words import Code, EventName, Instant, OrShort, Words, commands

#: When a timeline begins that does not say so: a Monday, at noon.
BEGINS_AT: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
#: Periods are counted until then, so no timeline goes on.
ENDS_BEFORE: Final = ANCHOR_BEFORE
#: The pool of a scenario that describes none, or one without a name.
POOL: Final = "pool"

Number = int | Literal["unlimited"] | None


class Asked(Words):
    """One command by its name, with its fields."""

    called: ClassVar[str] = "command"

    @model_validator(mode="before")
    @classmethod
    def _is_one(cls, given: Any) -> Any:
        if not isinstance(given, dict) or len(given) != 1:
            raise PydanticCustomError("one_command", "must be one command with its fields")
        return {name: {} if facts is None else facts for name, facts in given.items()}

    def written(self) -> Words:
        """The command as it is written."""
        (name,) = self.model_fields_set
        asked: Words = getattr(self, name)
        return asked

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = super().__get_pydantic_json_schema__(core, handler)
        return schema | {"minProperties": 1, "maxProperties": 1}


class KeyExpected(Words):
    """What a pool has of a key: any of these."""

    allowed: bool = Field(default=False, description="Whether the key is included.")
    limit: Number = Field(default=None, description="Effective limit, the included amount.")
    soft_limit: Number = Field(default=None, description="Soft limit.")
    hard_limit: Number = Field(default=None, description="Hard limit: strict usage above it is refused.")
    consumed: int = Field(default=0, description="Usage in the current period, or allocated now.")
    elsewhere: int = Field(default=0, description="The part charged to credits or on-demand.")
    owed: int = Field(default=0, description="Unpaid overage, including preserved overage.")
    reserved: int = Field(default=0, description="Reserved.")
    remaining: Number = Field(default=None, description="Included and neither consumed nor reserved.")
    affordable: Number = Field(default=None, description="Maximum strict usage now.")
    contributions: dict[str, int | bool | Literal["unlimited"]] = Field(
        default={}, description="What each provision adds; `default` is the pool's default."
    )
    burnt: dict[str, int] = Field(default={}, description="Usage of each contribution.")
    resets_at: Instant | None = Field(default=None, description="When the current period ends.")
    over_allocated: bool = Field(default=False, description="Whether more is allocated than the limit.")
    spent: int = Field(default=0, description="On-demand spending in the period, in minor units.")
    override: str = Field(default="", description="Id of the override in effect; empty: none.")


class MemberExpected(Words):
    """What a customer has of a key in a pool: any of these."""

    allowed: bool = Field(default=False, description="Whether the key is included.")
    limit: Number = Field(default=None, description="Limit of the pool, or the customer's cap.")
    consumed: int = Field(default=0, description="Usage under the cap.")
    remaining: Number = Field(default=None, description="Maximum included usage now.")
    resets_at: Instant | None = Field(default=None, description="When the cap or the key resets.")


class ProvisionExpected(Words):
    """A provision: any of these."""

    status: ProvisionStatus = "active"
    quantity: int = 1
    set_id: str = ""
    set_version: int = 1
    starts_at: Instant = BEGINS_AT
    ends_at: Instant | None = None


#: An event by its name, or with some of its facts.
EventExpected = Annotated[
    dict[EventName, dict[str, Any]],
    Field(min_length=1, max_length=1),
    OrShort(
        lambda given: {given: {}} if isinstance(given, str) else given,
        lambda full: full["propertyNames"],
    ),
]
#: A provision by its status, or with more.
ProvisionOrStatus = Annotated[
    ProvisionExpected,
    OrShort(
        lambda given: {"status": given} if isinstance(given, str) else given,
        lambda _: {"type": "string", "enum": list(get_args(ProvisionStatus))},
    ),
]


class PoolExpected(Words):
    """What is expected of one pool."""

    events: list[EventExpected] = Field(
        default=[], description="Events of this step in order: names, or a name with some of its fields."
    )
    status: PoolStatus = "open"
    keys: dict[str, KeyExpected] = Field(default={}, description="Entitlements of the pool, by key.")
    workspaces: dict[str, dict[str, MemberExpected]] = Field(
        default={}, description="Entitlements by customer and key."
    )
    provisions: dict[str, ProvisionOrStatus] = Field(default={}, description="By provision: status, or more fields.")


class SetExpected(Words):
    """The newest version of a set: any of these."""

    set_version: int = 1
    name: str = ""
    ladder: str | None = None
    rung: int | None = None


class KeyDefinedExpected(Words):
    """A resource key: any of these."""

    name: str = ""
    data_type: str = ""
    unit: str = ""
    scale: int = 0


class Expected(PoolExpected):
    """What is expected after a step. Without `pools` it is about the only pool; events are then those of everything."""

    refused: Code = Field(default="", description="Code of the refusal.")
    refused_lines: list[Code] = Field(default=[], description="Codes of the refused lines of usage.")
    repeated: bool = Field(default=False, description="Whether the command is a repeat of an earlier one.")
    pools: dict[str, PoolExpected] = Field(default={}, description="By pool, if there are several.")
    sets: dict[str, SetExpected] = Field(default={}, description="By entitlement set.")
    resource_keys: dict[str, KeyDefinedExpected] = Field(default={}, description="By resource key.")


class Step(Words):
    """At an instant: a command or usage, if any, and what is expected after it."""

    at: Instant | None = Field(default=None, description="Time of the step (default: that of the previous step).")
    do: Asked | None = Field(default=None, description="A command.")
    use: list[Words] = Field(default=[], description="Usage, one line or several: short for RecordUsage.")
    expect: Expected = Expected()

    @model_validator(mode="after")
    def _asks_once(self) -> Self:
        if self.do is not None and self.use:
            raise PydanticCustomError("do_and_use", "a step can have do or use, not both")
        return self


class ScenarioFile(Words):
    """A story on a timeline of commands, and what is expected of it."""

    name: str = Field(default="", description="The rule in one sentence (default: the file name).")
    feature: str = Field(default="", description="Feature (default: the folder).")
    about: str = Field(default="", description="Reason for the rule.")
    begins_at: Instant = Field(default=BEGINS_AT, description="Start of the timeline.")
    resource_keys: dict[str, Words] = Field(default={}, description="Resource keys to define.")
    sets: dict[str, Words] = Field(default={}, description="Entitlement sets to define.")
    pools: dict[str, Words] | None = Field(default=None, description="Pools to open (default: one).")
    timeline: list[Step]

    @model_validator(mode="after")
    def _begins(self) -> Self:
        if not isinstance(self.begins_at, datetime) or not EPOCH <= self.begins_at < ENDS_BEFORE:
            raise PydanticCustomError("no_beginning", "begins_at must be from 1970 to before 2200")
        return self


@cache
def model() -> type[ScenarioFile]:
    """The model of a file, with everything in it that is made from the commands there are."""
    by_name: dict[str, Any] = {name: (model_of(kind), None) for name, kind in commands().items()}
    asked = create_model("Command", __base__=Asked, __doc__=Asked.__doc__, **by_name)
    pool = (str, Field(default="", description="Pool (default: the only one, or the customer's pools in order)."))
    line = _made(UsageLine, pool_id=pool)
    lines = Annotated[
        list[line],  # type: ignore[valid-type]
        OrShort(lambda given: given if isinstance(given, list) else [given], lambda full: full["items"]),
    ]
    step = create_model(
        "Step", __base__=Step, __doc__=Step.__doc__, do=_like(Step, "do", asked | None), use=_like(Step, "use", lines)
    )
    key, named_set = _made(DefineResourceKey, resource_key=(str, "")), _made(DefineEntitlementSet, set_id=(str, ""))
    return create_model(
        "Scenario",
        __base__=ScenarioFile,
        __doc__=ScenarioFile.__doc__,
        resource_keys=_like(ScenarioFile, "resource_keys", dict[str, key]),  # type: ignore[valid-type]
        sets=_like(ScenarioFile, "sets", dict[str, named_set]),  # type: ignore[valid-type]
        pools=_like(ScenarioFile, "pools", dict[str, _made(OpenPool)] | None),  # type: ignore[misc]
        timeline=_like(ScenarioFile, "timeline", list[step]),  # type: ignore[valid-type]
    )


def _made(kind: type, **other: Any) -> type[Words]:
    """The model of a kind, with other fields than it has."""
    base = model_of(kind)
    made = create_model(kind.__name__, __base__=base, __doc__=base.__doc__, **other)
    made.kind = kind
    return made


def _like(kind: type[Words], name: str, written: Any) -> Any:
    """A field as it is, written in another way."""
    return written, kind.model_fields[name]


def schema() -> dict[str, Any]:
    """The JSON Schema of a scenario file."""
    found: dict[str, Any] = _without_titles(model().model_json_schema())
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | found


def _without_titles(part: Any) -> Any:
    """The same without titles, which only repeat the names of fields."""
    if isinstance(part, dict):
        is_title = isinstance(part.get("title"), str)
        return {name: _without_titles(value) for name, value in part.items() if name != "title" or not is_title}
    return [_without_titles(each) for each in part] if isinstance(part, list) else part
