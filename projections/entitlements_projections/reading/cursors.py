"""Cursors: the place in a list from which its next or previous page goes on.

A cursor names its list, the columns of its sort key, what was filtered by (as a hash) and the key of a row. It is no secret and opens
nothing: every page is read by the organization and filters of its own request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias

from entitlements.domain.values import ID_CHARACTERS_MAX
from entitlements.errors import RequestError

#: Rows after a key or before it; from and until: the row of that key included.
Side: TypeAlias = Literal["after", "from", "before", "until"]
SIDES: Final[Mapping[str, Side]] = {"after": "after", "from": "from", "before": "before", "until": "until"}
#: Columns of a sort key, each with the type of its values.
Columns: TypeAlias = Mapping[str, type]
_INTEGER_MAX: Final = 2**63 - 1


class InvalidCursor(RequestError):
    """The cursor is invalid or belongs to another list, organization or filter."""

    code = "invalid_cursor"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a page goes on: on one side of a row, by the values of its sort key."""

    side: Side
    values: tuple[Any, ...]

    @property
    def is_backward(self) -> bool:
        """Whether the page comes before the place."""
        return self.side in {"before", "until"}


def written(place: Place, name: str, columns: Columns, filters: Mapping[str, Any]) -> str:
    """The cursor of a place in a list."""
    said = [name, list(columns), _hash_of(filters), place.side, [_plain(value) for value in place.values]]
    text = json.dumps(said, separators=(",", ":"), ensure_ascii=False)  # Escaped, 128 emoji would be 1,536 characters.
    return base64.urlsafe_b64encode(text.encode(errors="surrogatepass")).decode().rstrip("=")


def characters_max(name: str, columns: Columns) -> int:
    """How long a cursor of a list can be: that of a row with the longest ids, of characters that JSON writes as six."""
    longest: dict[type, Any] = {
        str: "\1" * ID_CHARACTERS_MAX,
        int: -_INTEGER_MAX,
        datetime: datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    }
    side = max(SIDES.values(), key=len)
    return len(written(Place(side=side, values=tuple(longest[kind] for kind in columns.values())), name, columns, {}))


def read(cursor: str, name: str, columns: Columns, filters: Mapping[str, Any]) -> Place:
    """The place of a cursor. Raises InvalidCursor."""
    try:
        said = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars="-_", validate=True))
        of_list, of_columns, of_filters, side, values = said
        if (of_list, of_columns, of_filters) != (name, list(columns), _hash_of(filters)):
            raise InvalidCursor("Use it with the organization and filters of the page it came from.")
        return Place(side=SIDES[side], values=_read_values(columns, values))
    except (binascii.Error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidCursor from error


def _read_values(columns: Columns, values: Sequence[Any]) -> tuple[Any, ...]:
    if not isinstance(values, list):
        raise TypeError(values)
    return tuple(_read(kind, value) for kind, value in zip(columns.values(), values, strict=True))


def _read(kind: type, value: Any) -> Any:
    """A value of a sort key. Raises ValueError, TypeError for one that no row can have."""
    if kind is datetime:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError(value)
        return at
    if type(value) is not kind:
        raise TypeError(value)
    if isinstance(value, int) and abs(value) > _INTEGER_MAX:
        raise ValueError(value)
    if isinstance(value, str) and b"\0" in value.encode():  # Half a surrogate pair is a ValueError, too.
        raise ValueError(value)
    return value


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _hash_of(filters: Mapping[str, Any]) -> str:
    """What was filtered by, in 64 bits: enough to see that somebody has mixed cursors up."""
    said = json.dumps({name: _plain(value) for name, value in filters.items() if value is not None}, sort_keys=True)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:16]
