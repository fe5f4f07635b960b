"""What people type, checked at the edge by pydantic. The engine checks all of it again."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from entitlements.cli.failures import InvalidValue
from entitlements.intake.instants import NotAnInstant, read_instant
from entitlements.settings import ID_CHARACTERS_MAX, QUANTITY_MAX


@cache
def _quantities() -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[int, Field(ge=1, le=QUANTITY_MAX)])


@cache
def _ids() -> TypeAdapter[Any]:
    return TypeAdapter(Annotated[str, Field(min_length=1, max_length=ID_CHARACTERS_MAX)])


def quantity(text: str) -> int:
    """A quantity: an integer from 1 to 2^53. Raises InvalidValue."""
    try:
        # pydantic would take 2.0 for an integer, and Python 1_000.
        number: int = _quantities().validate_python(
            int(text) if text.strip().lstrip("+-").isdecimal() else text, strict=True
        )
    except ValidationError:
        raise not_a_quantity(text) from None
    return number


def not_a_quantity(text: str) -> InvalidValue:
    """What to say to somebody who gave another thing than a quantity."""
    return InvalidValue(
        "invalid_quantity",
        f'A quantity is an integer from 1 to 2^53, not "{text}".',
        "Count in the smallest unit of the key.",
    )


def id_of(what: str, text: str) -> str:
    """An id or key: 1 to 128 characters. Raises InvalidValue."""
    try:
        return str(_ids().validate_python(text))
    except ValidationError:
        raise InvalidValue(
            "invalid_id", f"The id of the {what} has {len(text)} characters.", f"An id has 1 to {ID_CHARACTERS_MAX}."
        ) from None


def key_id_of(text: str) -> str:
    """The id of an API key. Raises InvalidValue, which does not repeat what may be a key with its secret."""
    from entitlements.domain.values import is_key_id

    if is_key_id(text):
        return text
    if text.startswith("ent_"):
        said, advice = "This is the API key itself, not its id.", "Use the part between ent_ and the last _."
    else:
        said, advice = (
            "Invalid id of an API key.",
            "It has 8 to 64 letters and digits; `entitlements api-key list` shows it.",
        )
    raise InvalidValue("invalid_id", said, advice)


def names_a_document(text: str) -> bool:
    """Whether a text is the name of a YAML or JSON file, whether or not there is such a file."""
    return text.lower().endswith((".json", ".yaml", ".yml"))


def new_id_of(what: str, text: str) -> str:
    """An id that is chosen for something new. Raises InvalidValue."""
    import os

    from entitlements.domain.ids import DERIVED, is_derived

    if names_a_document(text) and os.path.isfile(text):  # noqa: PTH113 - an id is no path.
        raise InvalidValue("invalid_id", f"{text} is a file in this directory, not the id of a {what}.", "Give an id.")
    if is_derived(text):
        raise InvalidValue(
            "invalid_id",
            f"The id of the {what} starts with {DERIVED}.",
            "Use another id: ids that start with it are reserved.",
        )
    return id_of(what, text)


def instant(text: str) -> datetime | None:
    """An instant in UTC, to the millisecond; None for nothing. Raises InvalidValue."""
    if not text:
        return None
    try:
        return read_instant(text)
    except NotAnInstant:
        raise InvalidValue(
            "invalid_instant", f"Not an instant with a time zone: {text}.", "Write it like 2026-01-31T12:00:00Z."
        ) from None


def now() -> datetime:
    """The present instant, to the millisecond: commands carry no more."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def duration(text: str) -> timedelta:
    """A time such as 30m, 24h or 90d. Raises InvalidValue."""
    import re

    written = re.fullmatch(r"(\d{1,6})([smhdw])", text)
    if written is None:
        raise InvalidValue("invalid_request", f"Not a duration: {text}.", "Write it like 30m, 24h or 90d.")
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    return timedelta(**{units[written[2]]: int(written[1])})


def instant_or_after(text: str) -> datetime | None:
    """An instant, or how long after now; None for nothing. Raises InvalidValue."""
    if text[:1].isdecimal() and text[-1:] in "smhdw":
        return now() + duration(text)
    try:
        return instant(text)
    except InvalidValue as error:
        error.advice = f"{error.advice.rstrip('.')}, or 90d for 90 days from now."
        raise


def instant_or_before(text: str) -> datetime | None:
    """An instant, or how long before now; None for nothing. Raises InvalidValue."""
    if text[:1].isdecimal() and text[-1:] in "smhdw":
        return now() - duration(text)
    try:
        return instant(text)
    except InvalidValue as error:
        error.advice = f"{error.advice.rstrip('.')}, or 90d for 90 days ago."
        raise


def country(text: str) -> str:
    """A country by ISO 3166, with a part of it if wanted; empty: nobody says where. Raises InvalidValue."""
    import re

    if text and re.fullmatch(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", text) is None:
        raise InvalidValue("invalid_request", f"Not a country code: {text}.", "Write it like DE or US-CA.")
    return text


def reason(text: str) -> str:
    """A reason that says something. Raises InvalidValue."""
    if not text.strip():
        raise InvalidValue("invalid_request", "The reason is empty.", "Give a reason for the audit trail.")
    return text


def actor(text: str) -> str:
    """Who asks: the one named, else who runs this."""
    if text:
        return text
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # An account without a name, as in some containers.
        return "cli"
