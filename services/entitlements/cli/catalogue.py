"""`entitlements key` and `entitlements set`: what can be conferred, apart from how it is sold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entitlements.cli import output
from entitlements.cli.options import FOLDER, Actor, AsJson, Data, NoWait, ResourceKey, SetId, example, group, prose
from entitlements.cli.session import Done, Session, report, session

if TYPE_CHECKING:
    from entitlements.intake.definitions import SetDefinition

keys = group("Resource keys: the shared names of what one can be entitled to.")
sets = group("Entitlement sets: named, versioned, reusable rules.")

_SET_HELP = """
Define a new version of an entitlement set by a file, YAML or JSON. The same definition again makes no new version.

Each rule confers one resource key: a [bold]boolean[/bold] (a feature), a [bold]limit[/bold] (a cap on what is held at once), a
[bold]quota[/bold] (consumption per period) or a [bold]credit[/bold] balance. Keys that the file describes are defined too.

[bold]The file[/bold]

  set_id: pro
  name: Pro
  ladder: plans              [dim]# optional: one plan of a ladder at a time[/dim]
  rung: 2                    [dim]# its place there, higher is more[/dim]
  keys:                      [dim]# optional: resource keys to define[/dim]
    api_calls: {name: API calls, unit: call}
    premium_analytics: {name: Premium analytics, data_type: boolean}
  rules:
    - resource_key: api_calls
      rule_type: quota       [dim]# boolean, limit, quota or credit[/dim]
      amount: 1000           [dim]# in the smallest unit, or unlimited[/dim]
      period: day            [dim]# hour, day, week, month, year, lifetime, or P14D[/dim]
      soft_limit: 800        [dim]# optional: warn from here on[/dim]
      hard_limit: 1200       [dim]# optional: refuse above; the amount, if left out[/dim]
      stacking: sum          [dim]# optional: sum, max, min or override[/dim]
      per_unit: false        [dim]# optional: times the provision's quantity[/dim]
      rollover_max: 100      [dim]# optional: carry over so much of what is left[/dim]
      grace_for: 3600        [dim]# optional: seconds; late usage counts in its own period[/dim]
      credit_key: credits    [dim]# optional: beyond the amount draw on these credits,[/dim]
      credit_rate: 2         [dim]# so many units of them[/dim]
      credit_per: 10         [dim]# for so much[/dim]
    - {resource_key: premium_analytics, rule_type: boolean}
"""


@keys.command("define", epilog=example("entitlements key define api_calls --name 'API calls' --unit call"))
def define_key(
    resource_key: ResourceKey,
    name: Annotated[str, typer.Option(help="Its name for people; the key, if left out.", show_default=False)] = "",
    data_type: Annotated[str, typer.Option("--type", help="integer, or boolean for a feature.")] = "integer",
    unit: Annotated[str, typer.Option(help="Unit of its quantities, such as call or byte.", show_default=False)] = "",
    scale: Annotated[int, typer.Option(help="Decimals people see: 1250 at scale 2 is 12.50.")] = 0,
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Define a resource key, or describe it anew. Type and scale stay for ever."""
    from pydantic import ValidationError

    from entitlements.cli import values
    from entitlements.intake.definitions import DefinitionIsInvalid, KeyDefinition, explained

    values.id_of("resource key", resource_key)
    given: dict[str, Any] = {"name": name, "data_type": data_type, "unit": unit, "scale": scale}
    try:
        definition = KeyDefinition(**given)
    except ValidationError as error:
        raise DefinitionIsInvalid(explained(error)) from error
    with session(data) as opened:
        done = opened.do(definition.command(resource_key, values.actor(actor)), wait=not no_wait)
        report(
            done, f"Resource key [bold]{resource_key}[/bold] is defined.", as_json=as_json, resource_key=resource_key
        )


@sets.command("define", help=prose(_SET_HELP), epilog=example("entitlements set define pro.yaml"))
def define_set(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The definition, YAML or JSON.", show_default=False)],
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Define a new version of an entitlement set by a file."""
    from entitlements.cli import values
    from entitlements.intake.definitions import read_set

    definition = read_set(file)
    who = values.actor(actor)
    with session(data) as opened:
        _require_keys(opened, definition)
        for command in definition.key_commands(who):
            opened.do(command, wait=not no_wait)
        before = _newest(opened, definition.set_id)
        done = opened.do(definition.set_command(who), wait=not no_wait)
        _report_set(opened, definition, before, done, as_json=as_json)


def _require_keys(opened: Session, definition: SetDefinition) -> None:
    """Every rule is about a key that is known, or that the file brings along. Raises UnknownKey, DefinitionIsInvalid."""
    from entitlements.errors import UnknownKey
    from entitlements.intake.definitions import DefinitionIsInvalid
    from entitlements_projections import reading

    for rule in definition.rules:
        if rule.resource_key in definition.keys:
            continue
        known = reading.resource_key(opened.database, rule.resource_key)
        if known is None:
            raise UnknownKey(
                f"Asked for: {rule.resource_key}, of rule {definition.rules.index(rule)} of {definition.set_id}"
            )
        if (known["data_type"] == "boolean") != (rule.rule_type == "boolean"):
            raise DefinitionIsInvalid(
                f"{rule.resource_key} is {known['data_type']}, and its rule is a {rule.rule_type}."
            )


def _newest(opened: Session, set_id: str) -> int:
    from entitlements_projections import reading

    found = reading.entitlement_set(opened.database, set_id)
    return 0 if found is None else int(found["set_version"])


def _report_set(opened: Session, definition: SetDefinition, before: int, done: Done, *, as_json: bool) -> None:
    set_id, version = definition.set_id, _newest(opened, definition.set_id) if done.visible else None
    new = f"has version {version} now" if version != before else f"is at version {version} still: nothing is new"
    sentence = f"Set [bold]{set_id}[/bold] {new if version else 'is defined'}."
    report(done, sentence, as_json=as_json, set_id=set_id, set_version=version, is_new=version != before)


@sets.command("show", epilog=example("entitlements set show pro"))
def show_set(
    set_id: SetId,
    version: Annotated[int | None, typer.Option(help="A version; the newest, if left out.", show_default=False)] = None,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Show a version of an entitlement set and its rules."""
    from entitlements.errors import UnknownSet
    from entitlements_projections import reading

    with session(data) as opened:
        found = reading.entitlement_set(opened.database, set_id, version)
    if found is None:
        raise UnknownSet(f"Asked for: {set_id}{f', version {version}' if version else ''}.")
    if as_json:
        output.document(found)
        return
    ladder = f"{found['ladder']}, rung {found['rung']}" if found["ladder"] else ""
    output.facts(
        {"Name": found["name"], "Ladder": ladder, "Defined": found["defined_at"], "By": found["actor"]},
        title=f"Set {set_id}, version {found['set_version']}",
    )
    output.table(
        ("Resource key", "Type", ">Amount", "Period", ">Soft limit", ">Hard limit", "Stacking", "Per unit"),
        [_rule_cells(rule) for rule in found["rules"]],
    )


@sets.command("example", epilog=example("entitlements set example free > free.yaml"))
def example_set(
    name: Annotated[str, typer.Argument(metavar="NAME", help="free, pro or enterprise: one ladder of plans.")] = "free",
    as_json: AsJson = False,
) -> None:
    """Print a definition to start from."""
    from importlib.resources import files

    import yaml

    from entitlements.cli.failures import InvalidValue

    file = files("entitlements.demo") / "plans" / f"{name}.yaml"
    if name not in {"free", "pro", "enterprise"}:
        raise InvalidValue("invalid_request", f"There is no example {name!r}.", "ask for free, pro or enterprise")
    content = file.read_text(encoding="utf-8")
    if as_json:
        output.document(yaml.safe_load(content))
    else:
        output.plain(content)


def _rule_cells(rule: dict[str, Any]) -> tuple[Any, ...]:
    is_feature, scale = rule["rule_type"] == "boolean", rule["scale"]

    def limit(name: str) -> str:
        return "" if rule[name] is None else output.amount(rule[name], scale)

    return (
        rule["resource_key"],
        rule["rule_type"],
        "" if is_feature else output.amount(rule["amount"], scale),
        rule["period"],
        limit("soft_limit"),
        limit("hard_limit"),
        rule["stacking"],
        "yes" if rule["per_unit"] else "",
    )
