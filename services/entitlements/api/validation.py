"""What is wrong with a body, as a problem that names the places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from entitlements.api.problems import Problem

#: So many places are named; whoever has more mends these first.
_NAMED_MAX: Final = 20


def explained(errors: Sequence[Any]) -> Problem:
    """The problem for what pydantic found."""
    found = [
        {"at": ".".join(str(part) for part in each["loc"]), "message": each["msg"]} for each in errors[:_NAMED_MAX]
    ]
    said = "; ".join(f"{each['at']}: {each['message']}" for each in found[:3])
    return Problem("invalid_request", f"The request is not valid: {said}", errors=found)


def explained_decoding(error: Exception) -> Problem:
    """The problem for what msgspec found."""
    import msgspec

    if isinstance(error, msgspec.ValidationError):
        # "Expected `int`, got `str` - at `$.quantity`": of what is missing or too much it names the object that has it.
        message, _, place = str(error).partition(" - at `$")
        at = "body" + place.removesuffix("`")
        found = [{"at": at, "message": message}]
        return Problem("invalid_request", f"The request is not valid: {at}: {message}", errors=found)
    return Problem("invalid_json", f"The body is no JSON: {error}", errors=[])
