"""`entitlements set`: what can be conferred, apart from how it is sold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entitlements.cli import output
from entitlements.cli.options import FOLDER, Actor, AsJson, Data, NoWait, SetId, example, group, prose
from entitlements.cli.session import Done, Session, report, session

if TYPE_CHECKING:
    from entitlements.domain.commands import DefineEntitlementSet
    from entitlements.intake.definitions import SetDefinition

sets = group("Entitlement sets: named, versioned plans.")

_SET_HELP = """
Define an entitlement set from a YAML or JSON file. A changed definition creates a new version.

Each rule includes one resource key: a [bold]boolean[/bold] (a feature), a [bold]limit[/bold] (an allocation, such as seats), a
[bold]quota[/bold] (consumption per period) or a [bold]credit[/bold] balance. Keys listed in the file are defined too.

[bold]The file[/bold]

  set_id: pro
  name: Pro
  ladder: plans              # optional: a pool has one plan per ladder
  rung: 2                    # position on the ladder, higher is more
  keys:                      # optional: resource keys to define
    api_calls: {name: API calls, unit: call}
    premium_analytics: {name: Premium analytics, data_type: boolean}
  rules:
    - resource_key: api_calls
      rule_type: quota       # boolean, limit, quota or credit
      amount: 1000           # in the smallest unit, or unlimited
      period: day            # hour, day, week, month, year, lifetime, or P14D
      soft_limit: 800        # optional: warn at this usage
      hard_limit: 1200       # optional: refuse above (default: the amount)
      stacking: sum          # optional: sum, max, min or override
      per_unit: false        # optional: multiply by the provision's quantity
      rollover_max: 100      # optional: roll over up to this much
      grace_for: 3600        # optional: seconds to accept late usage
      credit_key: credits    # optional: then use these credits,
      credit_rate: 2         # 2 credits
      credit_per: 10         # for every 10 used
    - {resource_key: premium_analytics, rule_type: boolean}

A set can extend others: later ones win, its own rules win over all. With [bold]merge[/bold] a rule overrides only the fields it
has, with [bold]replace[/bold] it replaces the inherited rule, with [bold]additive[/bold] amounts and limits are added. A set keeps the
versions it was defined with; define it again to use the latest.

  set_id: team
  extends: [pro, {set_id: seats-pack, version: 2}]
  inheritance: merge         # optional: merge, replace or additive
  rules:
    - {resource_key: api_calls, amount: 5000}
"""


@sets.command("define", help=prose(_SET_HELP), epilog=example("entitlements set define pro.yaml"))
def define_set(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Definition file, YAML or JSON.", show_default=False)],
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Define a new version of an entitlement set by a file."""
    from dataclasses import replace

    from entitlements.cli import values
    from entitlements.intake.definitions import read_set
    from entitlements.intake.sets import is_new_ladder, on_ladder
    from entitlements_projections.reading import definitions

    definition = read_set(file)
    who = values.actor(actor)
    with session(data) as opened:
        _require_keys(opened, definition)
        command = definition.set_command(who, definitions.set_family(opened.database, definition.parents()))
        command = replace(command, **on_ladder(opened.database, command.ladder))
        is_new = is_new_ladder(opened.database, command.ladder)
        for key in definition.key_commands(who):
            opened.do(key, wait=not no_wait)
        before = _newest(opened, definition.set_id)
        done = opened.do(command, wait=not no_wait)
        new_ladder = command.ladder if is_new and not done.outcome.repeated else None
        _report_set(opened, command, before, done, new_ladder, as_json=as_json)


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
            raise UnknownKey(f"{rule.resource_key} (rule {definition.rules.index(rule)} of {definition.set_id})")
        if not _fits(rule.rule_type, known):
            raise DefinitionIsInvalid(
                f"{rule.resource_key} is a {known['data_type']} key; it cannot have a {rule.rule_type} rule."
            )


def _fits(rule_type: str | None, key: dict[str, Any]) -> bool:
    """Whether a key can have such a rule. A feature whose usage is tracked may be a quota; an inherited type is the parents' business."""
    if rule_type is None:
        return True
    is_tracked = bool((key["usage_tracking"] or {}).get("enabled"))
    return (key["data_type"] == "boolean") == (rule_type == "boolean") or (is_tracked and rule_type == "quota")


def _newest(opened: Session, set_id: str) -> int:
    from entitlements_projections import reading

    found = reading.entitlement_set(opened.database, set_id)
    return 0 if found is None else int(found["set_version"])


def _report_set(
    opened: Session, command: DefineEntitlementSet, before: int, done: Done, new_ladder: str | None, *, as_json: bool
) -> None:
    set_id, version = command.set_id, _newest(opened, command.set_id) if done.visible else None
    new = f"is now at version {version}" if version != before else f"is unchanged at version {version}"
    sentence = f"Set {output.strong(set_id)} {new if version else 'is defined'}."
    extends = [vars(parent) for parent in command.extends]
    behind = _behind(opened, set_id, version) if version else []
    facts = {
        "set_id": set_id,
        "set_version": version,
        "is_new": version != before,
        "extends": extends,
        "behind": behind,
        "ladder_defined": new_ladder,
    }
    report(done, sentence, as_json=as_json, **facts)
    if new_ladder:
        output.note(f"Ladder {new_ladder} is new. See `entitlements ladder list`.")
    if behind:
        output.note(f"These sets extend an older version: {', '.join(behind)}. Define them again to use this one.")


def _behind(opened: Session, set_id: str, version: int) -> list[str]:
    """The sets that extend an older version of a set."""
    from entitlements_projections.reading import definitions

    return [
        row["set_id"] for row in definitions.extended_by(opened.database, set_id) if row["parent_version"] < version
    ]


@sets.command("show", epilog=example("entitlements set show pro"))
def show_set(
    set_id: SetId,
    version: Annotated[int | None, typer.Option(help="Version (default: the latest).", show_default=False)] = None,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Show a version of an entitlement set: the sets it extends, and where each rule comes from."""
    from entitlements.errors import UnknownSet
    from entitlements_projections import reading
    from entitlements_projections.reading import definitions

    with session(data) as opened:
        found = reading.entitlement_set(opened.database, set_id, version)
        if found is None:
            raise UnknownSet(f"{set_id}{f', version {version}' if version else ''}.")
        sources, children = _sources(opened, found), definitions.extended_by(opened.database, set_id)
    if as_json:
        output.document(found | {"sources": sources, "extended_by": children})
        return
    parents = ", ".join(f"{parent['set_id']} v{parent['version']}" for parent in found["extends"])
    ladder = f"{found['ladder']}, rung {found['rung']}" if found["ladder"] else ""
    output.facts(
        {
            "Name": found["name"],
            "Ladder": ladder,
            "Extends": f"{parents} ({found['inheritance']})" if parents else "",
            "Extended by": ", ".join(f"{row['set_id']} (v{row['parent_version']})" for row in children),
            "Defined": found["defined_at"],
            "By": found["actor"],
        },
        title=f"Set {set_id}, version {found['set_version']}",
    )
    columns = ("Resource key", "Type", ">Amount", "Period", ">Soft limit", ">Hard limit", "Stacking", "Per unit")
    rows = [(*_rule_cells(rule), ", ".join(sources.get(rule["resource_key"], ()))) for rule in found["rules"]]
    output.table((*columns, "~From") if parents else columns, rows if parents else [row[:-1] for row in rows])


def _sources(opened: Session, found: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """The sets that have made each rule, ancestors first; nothing while not all of them can be seen yet."""
    from entitlements.domain.errors import UnknownParent
    from entitlements.domain.inheritance import resolve
    from entitlements_projections.reading import definitions

    version = (found["set_id"], found["set_version"])
    family = definitions.set_family(opened.database, [version])
    try:
        return resolve(family[version], family).sources
    except UnknownParent:
        return {}


@sets.command("example", epilog=example("entitlements set example free > free.yaml"))
def example_set(
    name: Annotated[str, typer.Argument(metavar="NAME", help="free, pro or enterprise.")] = "free",
    as_json: AsJson = False,
) -> None:
    """Print an example definition."""
    from importlib.resources import files

    import yaml

    from entitlements.cli.failures import InvalidValue

    file = files("entitlements.demo") / "plans" / f"{name}.yaml"
    if name not in {"free", "pro", "enterprise"}:
        raise InvalidValue("invalid_request", f"No such example: {name}.", "Examples are free, pro and enterprise.")
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
