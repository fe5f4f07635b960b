"""Sets and ladders as they are named from outside: a command carries what they say, looked up here. The decision looks nothing up."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final

from entitlements.errors import UnknownLadder, UnknownSet

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from entitlements.domain.commands import Command
    from entitlements.domain.values import Rule
    from entitlements_projections.database import Connection


def set_with_rules(connection: Connection, set_id: str, version: int | None) -> tuple[dict[str, Any], list[Rule]]:
    """A version of a set (None: the newest), and its rules as commands carry them. Raises UnknownSet."""
    from entitlements_projections import reading

    found = reading.entitlement_set(connection, set_id, version)
    if found is None:
        raise UnknownSet(f"{set_id}{f', version {version}' if version else ''}.")
    return found, reading.rules_of_set(connection, set_id, found["set_version"])


def is_defined(connection: Connection, set_id: str) -> bool:
    """Whether somebody has defined a set, in any version."""
    from entitlements_projections import reading

    return reading.entitlement_set(connection, set_id) is not None


#: What a set says of a provision of it, beside its rules.
_OF_SET: Final = ("set_version", "ladder", "rung")


def filled_in(
    facts: Mapping[str, Any], takes: Container[str], found: Mapping[str, Any], rules: list[Rule], prefix: str = ""
) -> dict[str, Any]:
    """The facts of a command with what its set says wherever they say nothing, and in `looked_up` the names of that.

    takes: the fields the command has. prefix: "then_" for the set that comes after a trial. Raises LadderMismatch where they say another
    place on a ladder than the set.
    """
    from entitlements.domain.ladders import check_place

    stated = {"ladder": facts.get("ladder"), "rung": facts.get(f"{prefix}rung")} if f"{prefix}rung" in takes else {}
    check_place(stated, found, str(facts.get(f"{prefix}set_id")))
    said = {name: found[name] for name in _OF_SET} | {"rules": rules}
    more = {f"{prefix}{name}": value for name, value in said.items() if f"{prefix}{name}" in takes}
    more = {name: value for name, value in more.items() if facts.get(name) is None}
    filled = {name: value for name, value in more.items() if value is not None}
    if "looked_up" in takes:
        # What the set leaves open too: its next version may say it.
        filled["looked_up"] = [*facts.get("looked_up", ()), *more]
    return {**facts, **filled}


def prefixes(kind: type[Command]) -> tuple[str, ...]:
    """Of the sets that a command confers: none, one, or with another that follows."""
    names = {field.name for field in fields(kind)}
    return tuple(prefix for prefix in ("", "then_") if {f"{prefix}set_id", f"{prefix}rules"} <= names)


def looks_up(kind: type[Command]) -> bool:
    """Whether looked_up has anything to fill in for a command."""
    from entitlements.domain.commands import DefineEntitlementSet
    from entitlements.domain.plan_commands import ReviseProvision

    return bool(prefixes(kind)) or kind in (DefineEntitlementSet, ReviseProvision)


def looked_up(
    connection: Connection,
    kind: type[Command],
    facts: Mapping[str, Any],
    organization_id: str | None = None,
    *,
    is_all_known: bool = True,
) -> dict[str, Any]:
    """The facts of a command with what its sets and its ladder say where they say nothing.

    organization_id: the caller's, which does not see pools of other organizations; None: the operator. is_all_known: False where
    the tables may be behind: then a set that they do not know is unknown, whatever rules are stated.

    Raises UnknownSet, LadderMismatch; for rules that are stated beside a set nobody has defined UnknownLadder, UnknownRung and
    InvalidCommand; for a definition of a set what is on its ladder is looked up.
    """
    from entitlements.domain.commands import DefineEntitlementSet
    from entitlements.domain.plan_commands import ReviseProvision

    if kind is DefineEntitlementSet:
        return dict(facts) | on_ladder(connection, facts.get("ladder"))
    if kind is ReviseProvision:
        return _of_provision(connection, facts, organization_id, is_all_known=is_all_known)
    takes = {field.name for field in fields(kind)}
    found = dict(facts)
    for prefix in prefixes(kind):
        set_id = found.get(f"{prefix}set_id")
        if not set_id:
            continue
        try:
            of_set, rules = set_with_rules(connection, set_id, found.get(f"{prefix}set_version"))
        except UnknownSet:
            # Rules of one's own are for a set that nobody has defined: a version that is not there is a mistake.
            if not is_all_known or found.get(f"{prefix}rules") is None or is_defined(connection, set_id):
                raise
            _check_ladder(connection, found.get("ladder"), found.get(f"{prefix}rung"))
            continue
        found = filled_in(found, takes, of_set, rules, prefix)
        _require_ladder(kind, found, set_id)
    return found


def _of_provision(
    connection: Connection, facts: Mapping[str, Any], organization_id: str | None, *, is_all_known: bool
) -> dict[str, Any]:
    """What the set of a provision says: of an id it is always the same one. Raises UnknownPool, UnknownProvision, UnknownSet."""
    from entitlements.domain.errors import UnknownPool, UnknownProvision
    from entitlements.domain.plan_commands import ReviseProvision
    from entitlements_projections import reading

    pool_id, provision_id = (facts.get(name) for name in ("pool_id", "provision_id"))
    if not isinstance(pool_id, str) or not isinstance(provision_id, str):
        return dict(facts)  # It is refused for that.
    found = reading.provision(connection, pool_id, provision_id)
    if found is None or organization_id not in {None, found["organization_id"]}:
        raise UnknownPool(pool_id)
    if found["set_id"] is None:
        raise UnknownProvision(provision_id)
    try:
        of_set, rules = set_with_rules(connection, found["set_id"], facts.get("set_version"))
    except UnknownSet:
        if not is_all_known or facts.get("rules") is None or is_defined(connection, found["set_id"]):
            raise
        return dict(facts)
    return filled_in(facts, {field.name for field in fields(ReviseProvision)}, of_set, rules)


def on_ladder(connection: Connection, ladder: Any) -> dict[str, Any]:
    """What the definition of a set on a ladder carries of it: the rungs that it has where somebody has defined it."""
    from entitlements_projections.reading import definitions

    known = definitions.plan_ladder(connection, ladder) if isinstance(ladder, str) else None
    rungs = None if known is None or known["rungs"] is None else [each["rung"] for each in known["rungs"]]
    return {"ladder_rungs": rungs, "looked_up": ["ladder_rungs"]}


def is_new_ladder(connection: Connection, ladder: str | None) -> bool:
    """Whether nobody has defined or named a ladder before: a set that names it is where it begins, or has misspelt it."""
    from entitlements_projections.reading import definitions

    return ladder is not None and definitions.plan_ladder(connection, ladder) is None


def keys_not_defined(connection: Connection, keys: Iterable[str]) -> list[str]:
    """Those of some resource keys that nobody has defined, sorted: they are to come, or misspelt."""
    query = "select resource_key from resource_keys where resource_key = any(%s)"
    wanted = set(keys)
    return sorted(wanted - {key for (key,) in connection.execute(query, (list(wanted),))})


def _require_ladder(kind: type[Command], facts: Mapping[str, Any], set_id: str) -> None:
    from entitlements.domain.errors import LadderMismatch

    field = next((field for field in fields(kind) if field.name == "ladder"), None)
    if field is not None and field.default is MISSING and facts.get("ladder") is None:
        raise LadderMismatch(f"set {set_id} has no ladder")


def _check_ladder(connection: Connection, ladder: str | None, rung: int | None) -> None:
    """Rules of somebody's own stand on a ladder and a rung that are there: a misspelt one would be a second one beside it.

    Raises UnknownLadder, UnknownRung, InvalidCommand.
    """
    from entitlements.domain.errors import InvalidCommand
    from entitlements.domain.ladders import check_rung
    from entitlements_projections.reading import definitions

    if ladder is None:
        if rung is not None:
            raise InvalidCommand(f"set both ladder and rung {rung}, or neither")
        return
    known = definitions.plan_ladder(connection, ladder)
    if known is None:
        raise UnknownLadder(f"{ladder}.")
    # Of a ladder that nobody has defined the rungs are those of the sets that are on it.
    rungs = known["sets"] if known["rungs"] is None else known["rungs"]
    check_rung(ladder, rung, {each["rung"] for each in rungs})
