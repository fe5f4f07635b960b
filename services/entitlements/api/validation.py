"""What is wrong with a request, as a problem in plain words that names the places."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Sequence
from typing import Any, Final, NoReturn

import orjson

from entitlements.advice import ADVICE
from entitlements.api.problems import Problem
from entitlements.domain.values import ID_CHARACTERS_MAX
from entitlements.intake.instants import EXAMPLE
from entitlements.intake.strict import INVALID_REQUEST, QUANTITIES, code_of_all, said_of
from entitlements.intake.synonyms import hint_of_field

#: So many places are named; whoever has more mends these first.
_NAMED_MAX: Final = 20
#: Of these so many stand in the sentence.
_TOLD_MAX: Final = 5
_EXAMPLE: Final = "such as"
#: msgspec's names of types, as people know them.
_TYPES: Final = {
    "int": "an integer", "str": "a string", "bool": "true or false", "array": "an array", "object": "an object", "float": "a number",
    "null": "null", "base64": "base64",
}  # fmt: skip
_EXPECTED: Final = re.compile(r"Expected `([^`]*)`(?:, got `([^`]*)`)?(?: (?:(of length) )?(>=|<=|>|<) (\S+))?")
_FIELD: Final = re.compile(r"Object (missing required|contains unknown) field `(.*)`")
_BOUNDS: Final = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}


def explained(errors: Sequence[Any]) -> Problem:
    """The problem for what pydantic found."""
    found = [
        {"at": ".".join(str(part) for part in each["loc"]), "message": said_of(each)} for each in errors[:_NAMED_MAX]
    ]
    return _problem(code_of_all(errors), found)


def invalid(found: Sequence[dict[str, str]]) -> Problem:
    """The problem for places that we found ourselves, each `at` with its `message`."""
    return _problem(INVALID_REQUEST, list(found[:_NAMED_MAX]))


def number_out_of_range(body: bytes) -> Problem | None:
    """The problem for a body whose only fault is a number that nothing here can hold, such as 1e400; None: it is no JSON either."""
    try:
        found = json.loads(body, parse_int=_as_number, parse_float=_as_number, parse_constant=_no_json)
        at = _place_of(found, _TOO_LARGE, "body")
    except (ValueError, RecursionError):
        return None
    if at is None:
        return None
    return _problem(
        "invalid_quantity" if at.rpartition(".")[2] in QUANTITIES else INVALID_REQUEST,
        [{"at": at, "message": "is too large"}],
    )


def not_json(position: int) -> Problem:
    """The problem for a body that is not JSON from a byte on."""
    return Problem("invalid_json", f"The body is not valid JSON at byte {position}.", errors=[])


def invalid_id(at: str) -> Problem:
    """The problem for a place whose id is none."""
    message = f"must have at most {ID_CHARACTERS_MAX} characters, none of them zero"
    return _problem("invalid_id", [{"at": at, "message": message}])


def invalid_instant(at: str) -> Problem:
    """The problem for a place where there is no instant of usage."""
    message = f"must be an RFC 3339 instant with a time zone, such as {EXAMPLE}, after 1970-01-01T00:00:00Z"
    return _problem("invalid_instant", [{"at": at, "message": message}])


def told_anew(problem: Problem) -> Problem:
    """A problem whose places have been written otherwise, with a detail that says so."""
    return _problem(problem.code, problem.facts["errors"])


def too_deep() -> Problem:
    """The problem for a body that is nested deeper than it could be written again."""
    return Problem("invalid_json", "The body is nested too deep: 250 levels at most.", errors=[])


#: Stands for a number that is out of range.
_TOO_LARGE: Final = object()


def _no_json_at(body: bytes) -> Problem | None:
    """The problem for a body that is no JSON; None: it is."""
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return not_json(error.pos) if number_out_of_range(body) is None else None
    return None


def _as_number(text: str) -> Any:
    return _TOO_LARGE if len(text) > 400 or math.isinf(float(text)) else 0


def _no_json(constant: str) -> NoReturn:
    raise ValueError(constant)


def _place_of(document: Any, wanted: Any, at: str) -> str | None:
    parts = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    if document is wanted:
        return at
    return next((place for name, part in parts if (place := _place_of(part, wanted, f"{at}.{name}")) is not None), None)


def explained_decoding(error: Exception, body: bytes | None = None, fields: Collection[str] = ()) -> Problem:
    """The problem for what msgspec found. body: what was decoded, which it gives up at the first value of another type. fields: those
    that there are, of which one may have been meant.
    """
    import msgspec

    if body is not None and isinstance(error, msgspec.ValidationError) and (problem := _no_json_at(body)) is not None:
        return problem
    if isinstance(error, RecursionError):
        return too_deep()
    if not isinstance(error, msgspec.ValidationError):
        place = re.search(r"\(byte (\d+)\)", str(error))
        if place is not None:
            return not_json(int(place[1]))
        return (body is not None and _no_json_at(body)) or Problem(
            "invalid_json", "The body is not valid JSON.", errors=[]
        )
    # "Expected `int`, got `str` - at `$.quantity`": of what is missing or too much it names the object that has it.
    told, _, place_told = str(error).partition(" - at `$")
    at = "body" + re.sub(r"\[(\d+|\.\.\.)\]", r".\1", place_told.removesuffix("`"))
    field = _FIELD.match(told)
    if field is not None:
        hint = hint_of_field(field[2], fields) if ".context" not in at else ""
        unknown = "is not a known field" + (f"; {hint}" if hint else "")
        message = "is required" if field[1] == "missing required" else unknown
        return _problem(INVALID_REQUEST, [{"at": f"{at}.{field[2]}", "message": message}])
    name, code = at.rpartition(".")[2], INVALID_REQUEST
    expected = _EXPECTED.match(told)
    if expected is None:  # One of several words, or an integer beyond all bounds.
        is_too_large = "out of range" in told
        message = "is too large" if is_too_large else "is not an allowed value"
        code = "invalid_quantity" if is_too_large and name in QUANTITIES else INVALID_REQUEST
    else:
        kinds, got, is_length, sign, bound = expected.groups()
        kind = kinds.split(" | ")[0]
        if sign is None:
            message = f"must be {_TYPES.get(kind, 'something else')}"
            code = "invalid_quantity" if got == "float" and name in QUANTITIES else INVALID_REQUEST
        elif is_length:
            message = f"must have {_BOUNDS[sign]} {bound} characters"
            code = "invalid_id" if name == "resource_key" or name.endswith("id") else INVALID_REQUEST
        else:
            message = f"must be {_BOUNDS[sign]} {bound}"
            code = "invalid_quantity" if name in QUANTITIES else INVALID_REQUEST
    return _problem(code, [{"at": at, "message": message}])


def _problem(code: str, found: list[dict[str, str]]) -> Problem:
    said = "; ".join(f"{each['at']}: {each['message']}" for each in found[:_TOLD_MAX])
    if len(found) > _TOLD_MAX:
        said += f"; and {len(found) - _TOLD_MAX} more, see errors"
    # An example once is enough.
    return Problem(
        code,
        f"The request is not valid: {said}.",
        advice=ADVICE[INVALID_REQUEST] if _EXAMPLE in said else "",
        errors=found,
    )
