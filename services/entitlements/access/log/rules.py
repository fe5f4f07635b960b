"""What is logged of each key and how long it is kept: setting ENTITLEMENTS_ACCESS_LOG.

{"api_*": {"one_in": 100, "keep_for_days": 30}, "*": {"one_in": 1, "denials": true, "keep_for_days": 90}}

The first pattern that fits a key counts. one_in: of so many decisions one is logged, and its record counts for all of them; 0: none is.
denials: every "no" is logged, whatever one_in says. keep_for_days: then it is deleted.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from typing import Any, Final, Self

from entitlements.errors import SettingIsWrong

KEEP_FOR_DAYS_MAX: Final = 3_660
ONE_IN_MAX: Final = 1_000_000
#: Keys whose rule is remembered: there are few, and callers may ask for any.
_REMEMBERED_MAX: Final = 10_000


class AccessLogRulesAreWrong(SettingIsWrong):
    """The setting ENTITLEMENTS_ACCESS_LOG is invalid."""

    code = "access_log_rules_are_wrong"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRule:
    """What is logged of one key."""

    one_in: int = 1
    denials: bool = True
    keep_for_days: int = 90

    def count(self, decision_id: str, *, allowed: bool) -> int:
        """How many decisions the record of this one stands for; 0: it is not logged.

        Chosen by the id, so that a decision that is reported twice is logged both times or never.
        """
        if self.one_in == 1 or (self.denials and not allowed):
            return 1
        if self.one_in and zlib.crc32(decision_id.encode("utf-8", "surrogatepass")) % self.one_in == 0:
            return self.one_in
        return 0


_DEFAULT: Final = LogRule()
_EXAMPLE: Final = '{"*": {"one_in": 100, "keep_for_days": 30}}'


class LogRules:
    """The rules, by patterns of keys."""

    def __init__(self, rules: Iterable[tuple[str, LogRule]] = ()) -> None:
        self._rules = tuple(rules)
        self._of_key: dict[str, LogRule] = {}

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the setting; an empty one logs everything for 90 days. Raises AccessLogRulesAreWrong."""
        if not text.strip():
            return cls()
        try:
            told = json.loads(text)
            return cls([(pattern, _rule(pattern, one)) for pattern, one in told.items()])
        except (ValueError, AttributeError, TypeError) as error:
            raise AccessLogRulesAreWrong(f"{_wrong(error)}. Write JSON such as {_EXAMPLE}") from error

    def of(self, resource_key: str) -> LogRule:
        """The rule of a key."""
        rule = self._of_key.get(resource_key)
        if rule is None:
            if len(self._of_key) >= _REMEMBERED_MAX:
                self._of_key.clear()
            rule = next((one for pattern, one in self._rules if fnmatchcase(resource_key, pattern)), _DEFAULT)
            self._of_key[resource_key] = rule
        return rule

    @property
    def kept_for_days(self) -> set[int]:
        """For how many days keys may be kept, by one rule or another."""
        rules = [rule for _, rule in self._rules]
        return {rule.keep_for_days for rule in (rules if self._covers_all else [*rules, _DEFAULT])}

    @property
    def _covers_all(self) -> bool:
        return any(pattern == "*" for pattern, _ in self._rules)


def _wrong(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"Invalid JSON ({error.msg} at character {error.pos + 1})"
    return str(error) if isinstance(error, ValueError) else "Rules are objects by pattern of keys"


def _rule(pattern: str, told: dict[str, Any]) -> LogRule:
    known = {field.name for field in fields(LogRule)}
    if unknown := told.keys() - known:
        raise ValueError(f"{pattern}: {', '.join(sorted(unknown))} is unknown; use {', '.join(sorted(known))}")
    rule = LogRule(**told)
    numbers = type(rule.one_in) is int and type(rule.keep_for_days) is int and type(rule.denials) is bool
    if not numbers or not 0 <= rule.one_in <= ONE_IN_MAX or not 1 <= rule.keep_for_days <= KEEP_FOR_DAYS_MAX:
        raise ValueError(
            f"{pattern}: one_in must be 0 to {ONE_IN_MAX}, keep_for_days 1 to {KEEP_FOR_DAYS_MAX}, denials true or false"
        )
    return rule
