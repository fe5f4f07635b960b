"""Conditions, compiled once: a tree of `all`, `any` and `not` over comparisons, each a function of the values of fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from entitlements_client.deciding.fields import FieldTable, Values
from entitlements_client.deciding.operators import COMPARING, EXISTING, OPERATORS, Judge, cost_of
from entitlements_client.deciding.refusals import PolicyIsInvalid, require_list, require_object, shown

#: Bounds of one policy: comparisons in it, and how deep they may be nested.
CONDITIONS_MAX: Final = 100
DEPTH_MAX: Final = 8

#: Judges the values of all fields by their places: it holds, it does not, or it cannot be judged (None).
Test = Callable[[Values], bool | None]


@dataclass(slots=True)
class Condition:
    """One node of the tree. parts: what `all`, `any` and `not` combine; a comparison has a place in the table of fields instead."""

    kind: str
    document: Mapping[str, Any]
    test: Test
    parts: Sequence[Condition] = ()
    place: int = -1
    judge: Judge | None = None

    @property
    def places(self) -> set[int]:
        """The fields that it reads."""
        return {self.place} if self.kind == "comparison" else {place for part in self.parts for place in part.places}


class Compiler:
    """Makes the conditions of one policy. Raises PolicyIsInvalid for what is invalid, before anything is decided by it."""

    def __init__(self, fields: FieldTable) -> None:
        self._fields = fields
        self._comparisons = 0
        #: What all of them cost at worst, in tenths of a microsecond.
        self.cost = 0

    def conditions(self, documents: Any, path: str, depth: int = 1) -> tuple[Condition, ...]:
        """A list of conditions, or what is wrong with it."""
        listed = require_list(documents, path, CONDITIONS_MAX, "too_many_conditions")
        return tuple(self._condition(document, f"{path}[{place}]", depth) for place, document in enumerate(listed))

    def _condition(self, document: Any, path: str, depth: int) -> Condition:
        if depth > DEPTH_MAX:
            raise PolicyIsInvalid("too_deep", path, f"conditions are nested at most {DEPTH_MAX} deep")
        combined = isinstance(document, dict) and next((k for k in ("all", "any", "not") if k in document), None)
        if not combined:
            return self._comparison(document, path)
        require_object(document, (combined,), path)
        within = f"{path}.{combined}"
        if combined == "not":
            part = self._condition(document["not"], within, depth + 1)
            return Condition("not", document, _not(part.test), (part,))
        parts = self.conditions(document[combined], within, depth + 1)
        if not parts:
            raise PolicyIsInvalid("invalid_value", within, "at least one condition is required")
        combine = _all if combined == "all" else _any
        return Condition(combined, document, combine([part.test for part in parts]), parts)

    def _comparison(self, document: Any, path: str) -> Condition:
        self._comparisons += 1
        if self._comparisons > CONDITIONS_MAX:
            raise PolicyIsInvalid("too_many_conditions", path, f"a policy has at most {CONDITIONS_MAX} comparisons")
        found = require_object(document, ("field", "operator", "value", "all", "any", "not"), path)
        place = self._fields.place(found.get("field"), f"{path}.field")
        operator = found.get("operator")
        if not isinstance(operator, str) or operator not in OPERATORS:
            raise PolicyIsInvalid(
                "unknown_operator",
                f"{path}.operator",
                f"unknown operator {shown(operator)}; use {', '.join(OPERATORS)}",
            )
        value = found.get("value")
        if operator in EXISTING:
            if value is not None:
                raise PolicyIsInvalid("invalid_value", f"{path}.value", f"{operator} takes no value")
            judge = EXISTING[operator]
        else:
            judge = COMPARING[operator](value, f"{path}.value")
        self.cost += cost_of(operator, value)
        return Condition("comparison", found, _at(place, judge), place=place, judge=judge)


def _at(place: int, judge: Judge) -> Test:
    return lambda values: judge(values[place])


def _of_not(parts: Sequence[bool | None]) -> bool | None:
    return None if parts[0] is None else not parts[0]


def _of_all(parts: Sequence[bool | None]) -> bool | None:
    return False if False in parts else None if None in parts else True


def _of_any(parts: Sequence[bool | None]) -> bool | None:
    return True if True in parts else None if None in parts else False


#: What a node of the tree comes to, by its kind, of what each of its parts does.
COMBINED: Final[Mapping[str, Callable[[Sequence[bool | None]], bool | None]]] = {
    "not": _of_not,
    "all": _of_all,
    "any": _of_any,
}


def _not(test: Test) -> Test:
    def turned(values: Values) -> bool | None:
        said = test(values)
        return None if said is None else not said

    return turned


def _all(tests: Sequence[Test]) -> Test:
    def every(values: Values) -> bool | None:
        together: bool | None = True
        for test in tests:
            said = test(values)
            if said is False:
                return False
            if said is None:
                together = None
        return together

    return every


def _any(tests: Sequence[Test]) -> Test:
    def one(values: Values) -> bool | None:
        together: bool | None = False
        for test in tests:
            said = test(values)
            if said is True:
                return True
            if said is None:
                together = None
        return together

    return one
