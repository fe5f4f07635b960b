"""Sets as they are named from outside: a command carries their rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from entitlements.errors import UnknownSet

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from entitlements.domain.values import Rule
    from entitlements_projections.database import Connection


def set_with_rules(connection: Connection, set_id: str, version: int | None) -> tuple[dict[str, Any], list[Rule]]:
    """A version of a set (None: the newest), and its rules as commands carry them. Raises UnknownSet."""
    from entitlements_projections import reading

    found = reading.entitlement_set(connection, set_id, version)
    if found is None:
        raise UnknownSet(f"Asked for: {set_id}{f', version {version}' if version else ''}.")
    return found, reading.rules_of_set(connection, set_id, found["set_version"])


#: What a set says of a provision of it, beside its rules.
_OF_SET: Final = ("set_version", "ladder", "rung")


def filled_in(
    facts: Mapping[str, Any], takes: Container[str], found: Mapping[str, Any], rules: list[Rule], prefix: str = ""
) -> dict[str, Any]:
    """The facts of a command with what its set says wherever they say nothing, and in `looked_up` the names of that.

    takes: the fields the command has. prefix: "then_" for the set that comes after a trial.
    """
    said = {name: found[name] for name in _OF_SET} | {"rules": rules}
    more = {f"{prefix}{name}": value for name, value in said.items() if f"{prefix}{name}" in takes}
    more = {name: value for name, value in more.items() if facts.get(name) is None}
    filled = {name: value for name, value in more.items() if value is not None}
    if "looked_up" in takes:
        # What the set leaves open too: its next version may say it.
        filled["looked_up"] = [*facts.get("looked_up", ()), *more]
    return {**facts, **filled}
