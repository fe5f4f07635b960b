"""What is wrong with a policy: said where it is defined, never where a request is decided."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any


class PolicyIsInvalid(ValueError):
    """Invalid policy.

    code is for programs and stays (docs/policies.md lists them); path says where, as in policies[2].conditions[0].value.
    """

    def __init__(self, code: str, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.code, self.path, self.message = code, path, message


def shown(value: Any) -> str:
    """A value as a message quotes it, in JSON as it was written, however long it is."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except (RecursionError, ValueError):  # Nested very deep, or a number of very many digits.
        text = "a value that is too large to be shown"
    return text if len(text) <= 80 else text[:77] + "..."


def require_object(document: Any, names: Collection[str], path: str) -> Mapping[str, Any]:
    """A JSON object with no other properties than these. Raises PolicyIsInvalid: a misspelt property is never passed over."""
    if not isinstance(document, dict):
        raise PolicyIsInvalid("invalid_value", path, f"must be an object, not {shown(document)}")
    for name in document:
        if name not in names:
            raise PolicyIsInvalid(
                "unknown_property", f"{path}.{name}", f"unknown property; use {', '.join(sorted(names))}"
            )
    return document


def require_text(value: Any, path: str, characters_max: int, *, may_be_empty: bool = False) -> str:
    """A text within its bounds. Raises PolicyIsInvalid."""
    if not isinstance(value, str) or len(value) > characters_max or not (value or may_be_empty):
        least = 0 if may_be_empty else 1
        raise PolicyIsInvalid(
            "invalid_value", path, f"must be a string of {least} to {characters_max} characters, not {shown(value)}"
        )
    return value


def require_list(value: Any, path: str, length_max: int, code: str = "invalid_value") -> list[Any]:
    """A list within its bounds. Raises PolicyIsInvalid, with `code` where it is too long."""
    if not isinstance(value, list):
        raise PolicyIsInvalid("invalid_value", path, f"must be a list, not {shown(value)}")
    if len(value) > length_max:
        raise PolicyIsInvalid(code, path, f"at most {length_max:,} entries are allowed, not {len(value):,}")
    return value
