"""What `entitlements send` says of commands: all of them by subject, and one with its fields and an example."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from types import UnionType
from typing import TYPE_CHECKING, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from entitlements.cli import output

if TYPE_CHECKING:
    from entitlements.domain.commands import Command

#: Fields that nobody gives to `send`: it makes them, or has options for them.
ENVELOPE: Final = frozenset(
    {
        "command_id", "idempotency_key", "actor", "caller", "looked_up", "ladder_rungs", "batch_key", "batch_digest",
        "caller_organization_id",
    }
)  # fmt: skip
GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "Pools": ("OpenPool", "SuspendPool", "ResumePool", "ClosePool", "ChangeCalendar", "ChangeDefaults", "AdvanceClock"),
    "Customers and members of a pool": ("AssignWorkspace", "UnassignWorkspace", "CapMember"),
    "Plans and provisions": (
        "ProvisionPool", "ChangePlan", "StartTrial", "ChangeQuantity", "ReviseProvision", "SuspendProvision", "ResumeProvision",
        "EndProvision", "UncancelProvision",
    ),
    "Grants and overrides": ("IssueGrant", "RevokeGrant", "SetOverride", "ClearOverride"),
    "Usage": ("ReleaseUsage", "ReverseUsage", "CorrectUsage", "ForgiveOverage", "ResetUsage", "ConfigureOnDemand"),
    "Reservations and limits": (
        "ReserveUsage", "ExtendReservation", "CommitReservation", "ReleaseReservation", "AllocateLimit", "SetAllocation",
    ),
    "Catalogue": ("DefineResourceKey", "DefineEntitlementSet", "DefineLadder"),
    "Organizations": ("DefineUnit", "RemoveUnit", "PlaceWorkspace", "AssignUnit", "UnassignUnit", "SetMemberRole"),
    "Access policies and API keys": ("DefineAccessPolicy", "RetireAccessPolicy", "CreateApiKey", "RevokeApiKey"),
    "Campaigns": ("DefineCampaign", "ChangeCampaignPools", "ActivateCampaign", "DeactivateCampaign"),
}  # fmt: skip
#: What a set says of a command about one, unless the command says it itself.
_OF_SET: Final = ("set_id", "set_version", "ladder", "rung", "rules")
_TYPES: Final = {str: "text", int: "integer", bool: "true, false", datetime: "instant"}


def list_commands(known: dict[str, type[Command]], *, as_json: bool) -> None:
    """Print every command by subject."""
    groups = {name: group for group, names in GROUPS.items() for name in names}
    if as_json:
        output.document(
            {
                name: {"group": groups.get(name, ""), "fields": words(kind), "about": _about(kind)}
                for name, kind in sorted(known.items())
            }
        )
        return
    for group in [*GROUPS, ""]:
        rows = [(name, _about(kind)) for name, kind in known.items() if groups.get(name, "") == group]
        if rows:
            output.table(("Command", "~Description"), sorted(rows), group or "Others")
    output.say("Fields of a command, with an example: `entitlements send COMMAND --help`.")


def words(kind: type[Command]) -> list[str]:
    """The names of a command's fields, with * after those that are required."""
    return [field.name + ("*" if _is_required(field) else "") for field in fields(kind) if field.name not in ENVELOPE]


def explain(name: str, kind: type[Command], *, as_json: bool) -> None:
    """Print a command, its fields and an example."""
    rows = sorted(_rows(kind), key=lambda row: (not row[2], row[0] == "effective_at"))
    if as_json:
        names = ("field", "type", "required", "about")
        of_fields = [dict(zip(names, row, strict=True)) for row in rows]
        output.document({"command": name, "about": _about(kind), "fields": of_fields, "example": example_of(name)})
        return
    output.say(f"{output.strong(name)}: {output.literal(_about(kind))}")
    output.say()
    output.table(
        ("Field", "Type", "Required", "~Description"),
        [(field, type_, "yes" if required else "", about) for field, type_, required, about in rows],
    )
    output.say("[bold]Example[/bold]")
    output.plain(example_of(name) + "\n")


def example_of(name: str) -> str:
    """Lines of a shell that send an example of a command."""
    from entitlements.cli.options import folded

    facts = example_facts(name)
    if all(not isinstance(value, (dict, list)) for value in facts.values()):
        return folded(" ".join([f"$ entitlements send {name}", *(f"{field}={_word(v)}" for field, v in facts.items())]))
    import yaml

    document = yaml.safe_dump(facts, sort_keys=False, allow_unicode=True, width=70)
    return f"$ cat > command.yaml <<EOF\n{document}EOF\n$ entitlements send {name} --file command.yaml"


def example_facts(name: str) -> dict[str, Any]:
    """The fields of an example: those required, and those that the example gives another value than the default."""
    from entitlements.examples_of_terms import one_of_each

    (command,) = [command for command in one_of_each() if type(command).__name__ == name]
    prefixes = _prefixes(type(command))
    facts: dict[str, Any] = {f"{prefix}set": getattr(command, f"{prefix}set_id") for prefix in prefixes}
    given = {f"{prefix}{field}" for prefix in prefixes for field in _OF_SET}
    for field in fields(command):
        value = getattr(command, field.name)
        is_said = field.name not in ENVELOPE | {"effective_at"} and field.name not in given
        if is_said and (_is_required(field) or value != _default(field)):
            facts[field.name] = _plain(value)
    return facts


def _prefixes(kind: type[Command]) -> tuple[str, ...]:
    from entitlements.intake.sets import prefixes

    return prefixes(kind)


def _rows(kind: type[Command]) -> Iterator[tuple[str, str, bool, str]]:
    """Field, type, whether it is required, what it means."""
    from entitlements_schemas.sources import sources

    schema = sources()[f"entitlements.commands.{kind.__name__}"]
    about, hints, prefixes = (
        {each["name"]: each.get("doc", "") for each in schema["fields"]},
        get_type_hints(kind),
        _prefixes(kind),
    )
    of_sets = {f"{prefix}{field}" for prefix in prefixes for field in _OF_SET}
    for prefix in prefixes:
        then = "After the trial: the" if prefix else "The"
        yield (
            f"{prefix}set",
            "text",
            True,
            f"{then} entitlement set, in its latest version. Fills in the fields marked (set).",
        )
    for field in fields(kind):
        if field.name in ENVELOPE:
            continue
        type_, choices = _type_of(hints[field.name])
        is_of_set = field.name in of_sets
        said = (
            about[field.name] + (f" One of {', '.join(choices)}." if choices else "") + (" (set)" if is_of_set else "")
        )
        yield field.name, type_, _is_required(field) and not is_of_set, said


def _type_of(hint: Any) -> tuple[str, tuple[str, ...]]:
    """A type as people write it, and the values it is confined to."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return "text", arguments
    if origin in (Union, UnionType):
        return _type_of(next(each for each in arguments if each is not type(None)))
    if origin is list:
        inner, choices = _type_of(arguments[0])
        return f"list of {inner}s" if inner in {"text", "object", "integer"} else "list", choices
    return _TYPES.get(hint, "object"), ()


def _is_required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _about(kind: type[Command]) -> str:
    return (kind.__doc__ or "").split("\n")[0]


def _plain(value: Any) -> Any:
    """A value as YAML writes it; of objects what is not their default."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if getattr(value, f.name) != _default(f)}
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def _word(value: Any) -> str:
    """A value as a word of a shell, in YAML."""
    import shlex

    from entitlements.cli.output import text

    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return shlex.quote(text(value) if isinstance(value, datetime) else str(value))
