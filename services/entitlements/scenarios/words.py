"""The words of scenario files: the names that the code gives to commands, events and refusals, short forms of fields, instants."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cache, partial
from typing import Annotated, Any, ClassVar, Final, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from entitlements.domain import decide  # With it every command, event and refusal is there.
from entitlements.domain.aggregate import Event
from entitlements.domain.commands import Command
from entitlements.domain.errors import CommandRefused
from entitlements.intake.synonyms import command_near, hint_of_field

K = TypeVar("K")


class CannotBeMeant(Exception):
    """A step asks for what is not there, or could be several things."""


UNLIMITED: Final = "unlimited"
_AFTER: Final = re.compile(r"([+-])(?=\d)(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_DAY_CHARACTERS: Final = len("2026-03-02")
_SHORT: Final = {"resource_key": "key", "rule_type": "type"}
_DOMAIN: Final = decide.__name__.rpartition(".")[0]


@cache
def commands() -> dict[str, type]:
    """Every command that can be sent, by the name of its class: those on which no other command is built."""
    return {kind.__name__: kind for kind in _below(Command) if not kind.__subclasses__()}


@cache
def events() -> frozenset[str]:
    """The name of every event."""
    return frozenset(kind.__name__ for kind in _below(Event) if not kind.__subclasses__())


@cache
def codes() -> frozenset[str]:
    """The code of every refusal."""
    return frozenset(kind.code for kind in _below(CommandRefused))


def _below(kind: type[K]) -> Iterable[type[K]]:
    for below in kind.__subclasses__():
        if below.__module__.startswith(_DOMAIN):
            yield below
            yield from _below(below)


def check_word(word: Any, known: Collection[str], what: str, hint: Callable[[str], str] | None = None) -> str:
    """The word, if it is known. Raises what pydantic makes a validation error of, with a hint: by default the nearest word there is."""
    if isinstance(word, str) and word in known:
        return word
    hinted = (hint or partial(_nearest, known))(str(word))
    said = f"no such {what}: {word}" + (f"; {hinted}" if hinted else "")
    raise PydanticCustomError("unknown_word", "{said}", {"said": said, "word": str(word)})


def _nearest(known: Collection[str], word: str) -> str:
    near = get_close_matches(word, known, 1)
    return f"did you mean {near[0]}?" if near else ""


def _near_command(known: Collection[str], word: str) -> str:
    near = command_near(word, known)
    return f"did you mean {near}?" if near else ""


def read_instant(given: Any) -> datetime | timedelta:
    """An instant as it is written in a file. Raises what pydantic makes a validation error of."""
    at = given
    if isinstance(given, str):
        match = _AFTER.fullmatch(given)
        if match is not None:
            weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[1:])
            after = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)
            return -after if match[1] == "-" else after
        try:
            at = date.fromisoformat(given) if len(given) == _DAY_CHARACTERS else datetime.fromisoformat(given)
        except ValueError:
            at = None
    if isinstance(at, date) and not isinstance(at, datetime):
        at = datetime.combine(at, time(), UTC)
    if not isinstance(at, datetime) or at.tzinfo is None:
        said = f"{given} is not a time; use 2026-03-02T12:00:00Z, 2026-03-02 for midnight UTC, or +1d2h30m"
        raise PydanticCustomError("no_instant", "{said}", {"said": said})
    return at.astimezone(UTC)


@dataclass(frozen=True)
class OrShort:
    """A value that may be written shorter: what it is then spelled out to, and how the short form looks in the schema."""

    spelled_out: Callable[[Any], Any]
    looks: Callable[[JsonSchemaValue], JsonSchemaValue]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.spelled_out, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        full = handler(core)
        return {"anyOf": [self.looks(full), full]}


#: An instant, or how long after the step's own (of a step: after the step before).
Instant = Annotated[
    datetime | timedelta,
    PlainValidator(read_instant),
    WithJsonSchema({
        "type": "string",
        "description": "A time such as 2026-03-02T12:00:00Z, a day (midnight UTC), or an offset from the step's time such as +1d2h30m or -90m.",
    }),
]  # fmt: skip


def at_instant(moment: datetime | timedelta, at: datetime) -> datetime:
    """The instant of a moment as it was written, at the instant of its step. Raises CannotBeMeant."""
    if isinstance(moment, datetime):
        return moment
    try:
        return at + moment
    except OverflowError as error:
        raise CannotBeMeant(f"{moment.days} days is out of range") from error


#: An amount; without a number it is unlimited.
Amount = Annotated[
    int | None,
    BeforeValidator(lambda given: None if given == UNLIMITED else given),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"const": UNLIMITED}, {"type": "null"}]}),
]
EventName = Annotated[
    str,
    BeforeValidator(lambda given: check_word(given, events(), "event")),
    WithJsonSchema({"type": "string", "enum": sorted(events())}),
]
Code = Annotated[
    str,
    BeforeValidator(lambda given: check_word(given, codes(), "refusal")),
    WithJsonSchema({"type": "string", "enum": sorted(codes())}),
]


class Words(BaseModel):
    """Fields with values. A field may be written short: without its `_id`, `key` for resource_key, `type` for rule_type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    #: What it is written for: a command, or a value in one.
    kind: ClassVar[type]
    #: What its fields are called when one is not known.
    called: ClassVar[str] = "field"

    @classmethod
    def short_words(cls) -> dict[str, str]:
        """The fields that have a short word, by it."""
        return _short_words(cls)

    @model_validator(mode="before")
    @classmethod
    def _spelled_out(cls, given: Any) -> Any:
        known = cls.model_fields.keys()
        if not isinstance(given, dict):
            said = f"must be a mapping with the fields {', '.join(known)}"
            raise PydanticCustomError("no_fields", "{said}", {"said": said})
        found: dict[str, Any] = {}
        for word, value in given.items():
            is_field = cls.called == "field"
            hint = (
                partial(hint_of_field, known=[*cls.short_words(), *known])
                if is_field
                else partial(_near_command, known)
            )
            name = check_word(cls.short_words().get(word, word), known, cls.called, hint)
            if name in found:
                raise PydanticCustomError("twice", "duplicate key {word}", {"word": str(word)})
            found[name] = value
        return found

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Both words of a field stand in the schema; either is enough where it is needed."""
        schema = handler.resolve_ref_schema(handler(core))
        properties, needed = schema.get("properties", {}), schema.pop("required", [])
        for short, name in cls.short_words().items():
            properties[short] = properties[name]
        words = {name: short for short, name in cls.short_words().items()}
        if either := [
            {"anyOf": [{"required": [words[name]]}, {"required": [name]}]} for name in needed if name in words
        ]:
            schema["allOf"] = either
        if only := [name for name in needed if name not in words]:
            schema["required"] = only
        return schema


def short_of(name: str) -> str:
    """The short word of a field, where no other field has it."""
    return _SHORT.get(name, name.removesuffix("_id"))


@cache
def _short_words(kind: type[Words]) -> dict[str, str]:
    names = kind.model_fields.keys()
    short = {short_of(name): name for name in names}
    return {word: name for word, name in short.items() if word not in names}
