"""The one strict reading of what comes from outside: types as documented, no value taken for another, errors in plain words.

Integers are JSON integers (not `true`, `"5"`, `5.0` or `1e3`), booleans are `true` or `false`, texts are strings, and instants are RFC 3339
strings with a time zone, cut off to the millisecond. A number or text in YAML has the type that YAML gives it; instants may be YAML's own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, is_dataclass
from dataclasses import Field as DataclassField
from datetime import datetime
from functools import cache, partial
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_core.core_schema import CoreSchema, ErrorType, no_info_after_validator_function

from entitlements.domain.checks import OF_API_KEY, IdRule
from entitlements.domain.ids import DERIVED, is_derived
from entitlements.domain.values import KEY_ID, NO_SEGMENTS, QUANTITY_MAX, is_id, is_key_id
from entitlements.intake.instants import EXAMPLE, NotAnInstant, cut_off, is_of_usage, read_instant
from entitlements.intake.synonyms import hint_of_field

#: Integers that the log can carry.
INTEGER_MIN: Final = -(2**63)
INTEGER_MAX: Final = 2**63 - 1
#: The same for fields that it holds in 32 bits.
NARROW_MIN: Final = -(2**31)
NARROW_MAX: Final = 2**31 - 1
_NARROW: Final = frozenset(
    {"set_version", "then_set_version", "version", "rung", "then_rung", "requests_per_s", "scale"}
)
#: Fields that count something. A number that is none of theirs is `invalid_quantity`.
QUANTITIES: Final = frozenset({
    "quantity", "then_quantity", "amount", "soft_limit", "hard_limit", "held", "adjustment", "part", "spending_cap", "rollover_min",
    "rollover_max", "credit_rate", "credit_per", "unit_price", "price_per", "default_value",
})  # fmt: skip
#: The code of what is wrong in no way that has a code of its own.
INVALID_REQUEST: Final = "invalid_request"
#: Codes with which validators refuse.
_OWN_CODES: Final = frozenset({"invalid_id", "invalid_instant", "invalid_quantity"})

STRICT: Final = ConfigDict(strict=True, extra="forbid")


class Known(BaseModel):
    """Fields of which an unknown one is answered with the one that it may stand for."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _hints_at_fields(cls, given: Any, handler: Callable[[Any], Any]) -> Any:
        try:
            return handler(given)
        except ValidationError as error:
            raise _with_hints(error, cls) from None


class Strict(Known):
    """Fields that are read strictly; unknown ones are errors, since a misspelt one would be passed over."""

    model_config = STRICT


def _with_hints(error: ValidationError, model: type[BaseModel]) -> ValidationError:
    """The same, where a field that the model does not have is answered with the one that it may stand for."""
    found = error.errors(include_url=False)
    if not any(each["type"] == "extra_forbidden" and len(each["loc"]) == 1 for each in found):
        return error
    return ValidationError.from_exception_data(error.title, [_with_hint(each, model) for each in found])


def _with_hint(each: Any, model: type[BaseModel]) -> InitErrorDetails:
    kind, context = each["type"], each.get("ctx") or {}
    made = InitErrorDetails(type=kind, loc=each["loc"], input=each["input"], ctx=context)
    if kind == "extra_forbidden" and len(each["loc"]) == 1:
        hint = hint_of_field(str(each["loc"][0]), model.model_fields)
        said = f"{_WORDS[kind]}; {hint}" if hint else _WORDS[kind]
        made["type"] = PydanticCustomError("unknown_field", "{said}", {"said": said})
    elif kind not in _BUILT_IN:  # One of our own validators: its message is made already.
        made["type"] = PydanticCustomError(kind, "{said}", {"said": each["msg"]} | context)
    return made


def _instant(given: Any) -> datetime:
    try:
        if isinstance(given, datetime):
            return cut_off(given)
        if isinstance(given, str):
            return read_instant(given)
    except NotAnInstant:
        said = f"must be an RFC 3339 instant with a time zone, such as {EXAMPLE}"
        raise PydanticCustomError("invalid_instant", "{said}", {"said": said}) from None
    raise PydanticCustomError("instant_type", "{said}", {"said": f"must be a string such as {EXAMPLE}"})


def _of_usage(at: datetime) -> datetime:
    if not is_of_usage(at):
        raise PydanticCustomError("invalid_instant", "{said}", {"said": "must be after 1970-01-01T00:00:00Z"})
    return at


_NOT_A_KEY_ID: Final = "must have 8 to 64 letters and digits"


def _check_id(text: str, rule: IdRule) -> str:
    said = ""
    if rule.is_key:
        said = "" if is_key_id(text) else _NOT_A_KEY_ID
        if text.startswith("ent_"):
            said += "; this is the API key itself: use its id, the part between ent_ and the last _"
    elif (
        not is_id(text, rule.characters_min)
        or len(text) > rule.characters_max
        or (rule.without and rule.without in text)
    ):
        no = f"zero or {rule.without}" if rule.without else "zero"
        said = f"must have {rule.characters_min} to {rule.characters_max} characters, none of them {no}"
    elif rule.is_chosen and is_derived(text):
        said = f"must not start with {DERIVED}, which is reserved"
    elif rule.is_segment and text in NO_SEGMENTS:
        said = f"must not be {text}, which a URL path cannot contain"
    if said:
        raise PydanticCustomError("invalid_id", "{said}", {"said": said})
    return text


def _flag(given: Any) -> Any:
    """A truth value of a query: true or false, as JSON writes them."""
    return {"true": True, "false": False}.get(given, given) if isinstance(given, str) else given


def _digits(given: Any) -> Any:
    """A number of a query or a column: digits, since there is no other way to write it there."""
    if isinstance(given, str) and given.removeprefix("-").isdecimal() and given.isascii():
        return int(given[:40])  # Far beyond any bound, and quick to refuse.
    return given


Instant = Annotated[datetime, BeforeValidator(_instant)]
#: When usage occurred: clients send the epoch for an instant that they never set.
UsageInstant = Annotated[Instant, AfterValidator(_of_usage)]
Integer = Annotated[int, Field(ge=INTEGER_MIN, le=INTEGER_MAX)]
Quantity = Annotated[int, Field(ge=1, le=QUANTITY_MAX)]
Narrow = Annotated[int, Field(ge=NARROW_MIN, le=NARROW_MAX)]
#: A truth value in a text.
Flag = Annotated[bool, BeforeValidator(_flag), Field(strict=True)]
#: An integer in a text.
Digits = Annotated[int, BeforeValidator(_digits), Field(strict=True)]


@dataclass(frozen=True, slots=True)
class OfId:
    """Makes a text an id: refused as `invalid_id` if it is none, and never if it is what the OpenAPI document says."""

    rule: IdRule

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(partial(_check_id, rule=self.rule), handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        lengths = {"minLength": self.rule.characters_min, "maxLength": self.rule.characters_max}
        return handler(schema) | lengths | {"pattern": id_pattern(self.rule)}


def id_pattern(rule: IdRule) -> str:
    """The regular expression of an id, without looking ahead: not every implementation can."""
    if rule.is_key:
        return f"^{KEY_ID}$"
    any_, first = rf"[^{rule.without}\u0000]", rf"[^{DERIVED if rule.is_chosen else ''}{rule.without}\u0000]"
    if not rule.is_segment:
        return f"^{any_}*$" if first == any_ else f"^({first}{any_}*)" + ("$" if rule.characters_min else "?$")
    first_but_dot, any_but_dot = (characters.replace("[^", "[^.") for characters in (first, any_))
    return f"^({first_but_dot}{any_}*|[.]{{1,2}}{any_but_dot}{any_}*|[.]{{3}}{any_}*)$"


#: An id that names something; one that may be empty; one that its caller chooses for something new, and one that paths name too.
Id = Annotated[str, OfId(IdRule())]
MaybeId = Annotated[str, OfId(IdRule(characters_min=0))]
NewId = Annotated[str, OfId(IdRule(is_chosen=True))]
NewNameInPath = Annotated[str, OfId(IdRule(is_segment=True))]
ApiKeyId = Annotated[str, OfId(OF_API_KEY)]
NewSegment = Annotated[str, OfId(IdRule(is_chosen=True, is_segment=True))]


# --- Models of dataclasses -----------------------------------------------------------------------------------------------


def written(hint: Any, name: str = "") -> Any:
    """A field's type as it is read strictly: values of dataclasses come as their fields. name: the field's, for its bounds."""
    if get_origin(hint) in {Union, UnionType}:
        return Union[tuple(written(part, name) for part in get_args(hint))]  # noqa: UP007 - made at run time.
    if get_origin(hint) is list:
        return list[written(get_args(hint)[0], name)]  # type: ignore[misc]
    if isinstance(hint, type) and is_dataclass(hint):
        # One that is made already is read again: who made it may have taken anything.
        as_fields = BeforeValidator(lambda value: vars(value) if isinstance(value, hint) else value)
        return Annotated[_model_of(hint), as_fields, AfterValidator(lambda value: hint(**dict(value)))]
    return {datetime: Instant, int: Narrow if name in _NARROW else Integer}.get(hint, hint)


def default_of(field: DataclassField[Any]) -> Any:
    """A dataclass field's default, as a model has it."""
    if field.default is not MISSING:
        return field.default
    return Field(default_factory=field.default_factory) if field.default_factory is not MISSING else ...


@cache
def _model_of(kind: Any) -> Any:
    hints = get_type_hints(kind)
    made: dict[str, Any] = {
        field.name: (written(hints[field.name], field.name), default_of(field)) for field in fields(kind)
    }
    return create_model(kind.__name__, __base__=Strict, __doc__=kind.__doc__, **made)


@cache
def _any_fields_of(kind: Any) -> type[Strict]:
    hints = get_type_hints(kind)
    made: dict[str, Any] = {field.name: (written(hints[field.name], field.name), None) for field in fields(kind)}
    return create_model(kind.__name__, __base__=Strict, **made)


def read_fields(kind: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Some fields of a dataclass, read strictly. Raises pydantic's ValidationError."""
    found = _any_fields_of(kind).model_validate(dict(given))
    return {name: getattr(found, name) for name in found.model_fields_set}


# --- What is wrong, in words ---------------------------------------------------------------------------------------------

_TYPES: Final = {
    "int": "an integer", "string": "a string", "bool": "true or false", "list": "an array", "tuple": "an array", "set": "an array",
    "dict": "an object", "model": "an object", "model_attributes": "an object", "dataclass": "an object", "float": "a number",
    "mapping": "an object",
}  # fmt: skip
_BUILT_IN: Final = frozenset(get_args(ErrorType))
_WORDS: Final = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "int_parsing": "must be an integer",
    "int_from_float": "must be an integer",
    "int_parsing_size": "is too large",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
    "none_required": "must be null",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "does not match {pattern}",
    "too_short": "must have at least {min_length} entries, not {actual_length}",
    "too_long": "must have at most {max_length} entries",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "json_invalid": "is not valid JSON",
}


def said_of(error: Mapping[str, Any]) -> str:
    """What is wrong with a field, in plain words: one entry of a ValidationError's errors."""
    kind, facts = str(error["type"]), error.get("ctx") or {}
    if kind == "value_error":
        return str(facts.get("error", "is not valid"))
    if kind == "unknown_field":
        return str(facts["said"])
    if kind in _WORDS:
        return _WORDS[kind].format_map(facts)
    name = kind.removesuffix("_type")
    if name != kind and name in _TYPES:
        return f"must be {_TYPES[name]}"
    # What our own validators say; of pydantic's there is none left that we know of.
    return "is not valid" if kind in _BUILT_IN else str(error["msg"])


def code_of(error: Mapping[str, Any]) -> str:
    """The stable code of what is wrong with a field."""
    kind, place = str(error["type"]), error["loc"]
    if kind in _OWN_CODES:
        return kind
    if kind == "unknown_field":
        return INVALID_REQUEST
    is_number = isinstance(error.get("input"), int | float) and not isinstance(error.get("input"), bool)
    return "invalid_quantity" if is_number and place and place[-1] in QUANTITIES else INVALID_REQUEST


def code_of_all(errors: Sequence[Mapping[str, Any]]) -> str:
    """The code of all that is wrong together: that of each of them, if they agree."""
    codes = {code_of(error) for error in errors}
    return codes.pop() if len(codes) == 1 else INVALID_REQUEST
