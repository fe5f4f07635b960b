"""`entitlements send`: any command of the domain by its name and fields."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, get_type_hints

import typer

from entitlements.cli import explaining, output
from entitlements.cli.options import FOLDER, Actor, AsJson, Data, Key, NoWait, example
from entitlements.cli.session import Session, envelope, report, session

if TYPE_CHECKING:
    from entitlements.domain.commands import Command

EXAMPLE: Final = example(
    "entitlements send ChangePlan pool_id=p1 set=pro provision_id=s2 source=subscription",
    "entitlements send ReserveUsage --help",
    "entitlements send ReserveUsage --file reservation.yaml",
)
#: Lines of usage are sent by `entitlements usage record` and `entitlements usage import`.
_USAGE: Final = ("RecordUsage", "RecordUsageBatch")


def send(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="COMMAND", help="Name of the command (default: list all commands).")
    ] = "",
    given: Annotated[
        list[str] | None, typer.Argument(metavar="FIELD=VALUE", help="Fields of the command; values are YAML.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="File with the fields, YAML or JSON.", show_default=False)
    ] = None,
    wants_help: Annotated[
        bool, typer.Option("--help", "-h", help="Show this message, or the fields of COMMAND.")
    ] = False,
    actor: Actor = "",
    key: Key = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Send any command by name. Without a name, list all commands.

    `entitlements send COMMAND --help` describes the fields of a command, with an example. The rules are in docs/rules/README.md.

    `set=NAME` (and `then_set=NAME` for a trial) fills in the id, latest version, ladder, rung and rules of an entitlement set. To record
    usage, use `entitlements usage record` or `entitlements usage import`.
    """
    from entitlements.ledger.records import COMMANDS

    known = {full.rpartition(".")[2]: kind for full, kind in COMMANDS.items()}
    for usage in _USAGE:
        del known[usage]
    if not name:
        if wants_help:
            output.plain(context.get_help())
        else:
            explaining.list_commands(known, as_json=as_json)
        return
    kind = _kind_of(name, known)
    if wants_help:
        explaining.explain(name, kind, as_json=as_json)
        return
    with session(data) as opened:
        facts = _facts(opened, kind, file, given or [])
        command = _command(kind, envelope(actor, key) | facts)
        done = opened.do(command, wait=not no_wait)
        sentence = (_of_plan(opened, command) if done.visible else "") or f"{name} succeeded."
        report(done, sentence, as_json=as_json, command=name)


def _of_plan(opened: Session, command: Command) -> str:
    """What a changed plan was, what it is and from when on, as markup; empty for other commands."""
    from entitlements.domain.plan_commands import ChangePlan

    if not isinstance(command, ChangePlan):
        return ""
    there = opened.require_pool(command.pool_id)["provisions"]
    new = next((row for row in there if row["provision_id"] == command.provision_id), None)
    if new is None:
        return ""
    before = [
        row
        for row in there
        if row["ladder"] == new["ladder"] and row is not new and new["starts_at"] in (row["ended_at"], row["ends_at"])
    ]
    old = f" from {output.literal(_set_of(before[-1]))}" if before else ""
    verb = "changes" if new["status"] == "scheduled" else "changed"
    when = output.text(new["starts_at"])
    return f"Pool {output.strong(command.pool_id)} {verb}{old} to {output.literal(_set_of(new))} at {when}."


def _set_of(provision: dict[str, Any]) -> str:
    return f"{provision['set_id']} v{provision['set_version']}"


def _kind_of(name: str, known: dict[str, type[Command]]) -> type[Command]:
    from entitlements.cli.failures import InvalidValue
    from entitlements.intake.synonyms import command_near

    if name not in known:
        near = command_near(name, known)
        meant = f"Did you mean {near}?" if near else "Run `entitlements send` to list all commands."
        raise InvalidValue("unknown_command", f"No such command: {name}.", meant)
    return known[name]


def _facts(opened: Session, kind: type[Command], file: Path | None, given: list[str]) -> dict[str, Any]:
    import yaml

    from entitlements.cli.failures import InvalidValue
    from entitlements.intake.sets import looks_up

    facts: dict[str, Any] = {}
    hints = get_type_hints(kind)
    if file is not None:
        from entitlements.intake.definitions import read_document

        facts |= read_document(file)
    for pair in given:
        field, equals, text = pair.partition("=")
        if not equals:
            advice = f"Use --file {pair}." if pair.endswith((".json", ".yaml", ".yml")) else "Example: quantity=5."
            raise InvalidValue("invalid_command", f"{pair} is not FIELD=VALUE.", advice)
        try:
            facts[field] = _read(yaml.safe_load(text), text, hints.get(field))
        except yaml.YAMLError as error:
            raise InvalidValue("invalid_command", f"{field}: {error}", "Values are YAML.") from error
    for short in ("set", "then_set"):
        if short in facts:
            facts[f"{short}_id"] = str(facts.pop(short))
    return opened.filled_in(kind, facts) if looks_up(kind) else facts


def _read(value: Any, text: str, hint: Any) -> Any:
    """What a value of YAML is for a field: a field that takes text takes 17 and {"a": 1} as they are written."""
    takes_text = hint is str or (hint == str | None and value is not None)
    return text if takes_text and not isinstance(value, str) else value


def _without_field(kind: type[Command], name: str) -> str:
    from entitlements.intake.synonyms import hint_of_field

    # The envelope is of options; what is looked up is no field of the caller.
    known = [
        *(get_type_hints(kind).keys() - explaining.ENVELOPE),
        *(("set",) if "set_id" in get_type_hints(kind) else ()),
    ]
    hint = hint_of_field(name, known)
    return f"field {name}" + (f" ({hint})" if hint else "")


def _command(kind: type[Command], facts: dict[str, Any]) -> Command:
    from pydantic import TypeAdapter, ValidationError

    from entitlements.cli.failures import InvalidValue
    from entitlements.domain.governance_commands import DefineAccessPolicy
    from entitlements.intake.definitions import explained
    from entitlements.intake.policies import require_meant
    from entitlements.intake.strict import code_of_all, read_fields

    takes = f"See `entitlements send {kind.__name__} --help`."
    unknown = facts.keys() - get_type_hints(kind).keys()
    if unknown:
        hints = [_without_field(kind, name) for name in sorted(unknown)]
        raise InvalidValue("invalid_command", f"{kind.__name__} has no {', '.join(hints)}.", takes)
    try:
        command: Command = TypeAdapter(kind).validate_python(read_fields(kind, facts))
    except ValidationError as error:
        code = code_of_all(error.errors(include_url=False))
        raise InvalidValue("invalid_command" if code == "invalid_request" else code, explained(error), takes) from error
    if isinstance(command, DefineAccessPolicy):
        require_meant(command)
    return command
