"""Sets as they are named from outside: a command carries their rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from entitlements.errors import UnknownSet

if TYPE_CHECKING:
    from entitlements.domain.values import Rule
    from entitlements_projections.database import Connection


def set_with_rules(connection: Connection, set_id: str, version: int | None) -> tuple[dict[str, Any], list[Rule]]:
    """A version of a set (None: the newest), and its rules as commands carry them. Raises UnknownSet."""
    from entitlements_projections import reading

    found = reading.entitlement_set(connection, set_id, version)
    if found is None:
        raise UnknownSet(f"Asked for: {set_id}{f', version {version}' if version else ''}.")
    return found, reading.rules_of_set(connection, set_id, found["set_version"])
