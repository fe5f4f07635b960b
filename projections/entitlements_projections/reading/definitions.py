"""Definitions of sets and keys as the domain takes them, and what is said of keys: to resolve sets and to tell who is granted what."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from psycopg.rows import dict_row

from entitlements.domain.inheritance import Catalogue, SetVersion, whole
from entitlements.domain.key_inheritance import KeyGraph, KeyNode, Said
from entitlements.domain.key_terms import default_rule
from entitlements.domain.values import Constraints, KeyTerms, OwnRule, ParentSet, Rule, UsageTracking
from entitlements_projections.reading import resource_key
from entitlements_projections.statements import statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from entitlements_projections.database import Connection, Row

_RULE: Final = tuple(field.name for field in fields(Rule))


def set_family(connection: Connection, sets: Iterable[tuple[str, int | None]]) -> Catalogue:
    """Versions of sets (None: the newest) and all they descend from; those that nobody has defined are missing."""
    asked = list(sets)
    parameters = {"set_ids": [set_id for set_id, _ in asked], "versions": [version for _, version in asked]}
    rows = _all(connection, "set_family", parameters)
    return {(row["set_id"], row["set_version"]): _set_version(row) for row in rows}


def _set_version(row: Row) -> SetVersion:
    own = [OwnRule(rule=rule_of(own["rule"]), stated=own["stated"]) for own in row["own_rules"]]
    return SetVersion(
        set_id=row["set_id"],
        version=row["set_version"],
        extends=[ParentSet(**parent) for parent in row["extends"]],
        inheritance=row["inheritance"],
        own_rules=own if row["extends"] else whole(map(rule_of, row["rules"])),
    )


def extended_by(connection: Connection, set_id: str) -> list[Row]:
    """The sets (`set_id`, `set_version`) that extend a set, with the version of it (`parent_version`) that each has."""
    return _all(connection, "extended_by", {"set_id": set_id})


def rule_of(row: Row) -> Rule:
    """A rule by a row or document that has its fields, among others."""
    return Rule(**{name: row[name] for name in _RULE})


def default_of_key(connection: Connection, key: str) -> Rule | None:
    """What pools have of a key when nothing confers it, by its definition; None: nothing, or it has no definition document."""
    row = resource_key(connection, key)
    if row is None or row["entitlement_type"] is None:
        return None
    tracking = row["usage_tracking"]
    terms = KeyTerms(
        entitlement_type=row["entitlement_type"],
        default_value=row["default_value"],
        usage_tracking=tracking and UsageTracking(**tracking),
    )
    return default_rule(key, terms)


def keys_that_descend(connection: Connection, key: str) -> KeyGraph:
    """A key and all that inherit from it; empty: nobody has mentioned it."""
    return _graph(_all(connection, "keys_that_descend", {"resource_key": key}))


def keys_ancestral(connection: Connection, keys: Sequence[str]) -> KeyGraph:
    """Keys and all that they inherit from; those that nobody has mentioned are missing."""
    return _graph(_all(connection, "keys_ancestral", {"resource_keys": list(keys)}))


def plan_ladder(connection: Connection, ladder: str) -> Row | None:
    """A ladder that was defined or named: its `rungs` (None: nobody has defined it) and the `sets` that are on it now."""
    return next(iter(_all(connection, "plan_ladder", {"ladder": ladder})), None)


def plan_ladders(connection: Connection) -> list[Row]:
    """Every ladder, as plan_ladder has it."""
    return _all(connection, "plan_ladder", {"ladder": None})


def said_of_keys(
    connection: Connection, pool_ids: Sequence[str], workspace_id: str, keys: Iterable[str], at: datetime
) -> dict[str, dict[str, Said]]:
    """What is said of each key itself in each pool, for a workspace (empty: any) at an instant; by pool and key, in the order given."""
    parameters = {"pool_ids": list(pool_ids), "workspace_id": workspace_id, "resource_keys": sorted(keys), "at": at}
    found: dict[str, dict[str, Said]] = {}
    for row in _all(connection, "said_of_keys", parameters):
        said = Said(held=row["held"], denied=row["denied"], overridden=row["overridden"], suspended=row["suspended"])
        found.setdefault(row["pool_id"], {})[row["resource_key"]] = said
    return found


def _graph(rows: list[Row]) -> KeyGraph:
    return {
        row["resource_key"]: KeyNode(
            data_type=row["data_type"],
            inherits_from=row["inherits_from"],
            override_policy=row["override_policy"] or "parent_wins",
            constraints=row["constraints"] and _constraints(row["constraints"]),
        )
        for row in rows
    }


def _constraints(document: dict[str, Any]) -> Constraints:
    dates = {name: document[name] for name in ("start_date", "end_date")}
    return Constraints(
        geographic_restrictions=document["geographic_restrictions"],
        **{name: date and datetime.fromisoformat(date) for name, date in dates.items()},
    )


def _all(connection: Connection, name: str, parameters: Any) -> list[Row]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement("reading", name), parameters).fetchall()
