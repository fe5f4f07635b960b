"""`entitlements key`: the shared names of what one can be entitled to, by options or by their definition documents."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entitlements.cli import output
from entitlements.cli.options import FOLDER, Actor, AsJson, Data, NoWait, ResourceKey, example, group, prose
from entitlements.cli.session import Session, report, session

if TYPE_CHECKING:
    from entitlements.domain.commands import DefineResourceKey

keys = group("Resource keys: the features and meters that plans can include.")

_DEFINE_HELP = """
Define a resource key, or update its description, with options or a document. Its type and scale never change.

Some settings are in the document only: default, inherited features, usage tracking, and restrictions by country and time. A later
update with options keeps them.

[bold]The document[/bold] (JSON or YAML)

  entitlement_id: premium_analytics
  name: Premium Analytics Access
  type: feature              # feature, limit, quota or credit
  data_type: boolean         # boolean for a feature, else integer
  default_value: false       # optional: for pools whose plans lack it
  inheritance_rules:         # optional: it grants these features too
    inherits_from: [basic_analytics]
    override_policy: always_allow  # or parent_wins, child_wins
  usage_tracking:            # optional
    enabled: true
    reset_period: monthly    # hourly, daily, weekly, yearly, lifetime, P14D
    soft_limit: 1000
    hard_limit: 1200
  constraints:               # optional
    geographic_restrictions: [EU, US]  # allowed here only
    time_restrictions:       # allowed at this time only
      start_date: 2026-01-01T00:00:00Z
      end_date: 2026-12-31T23:59:59Z
"""


@keys.command(
    "define",
    help=prose(_DEFINE_HELP),
    epilog=example(
        "entitlements key define api_calls --name 'API calls' --unit call",
        "entitlements key define premium_analytics.json",
    ),
)
def define_key(
    resource_key: Annotated[
        str,
        typer.Argument(
            metavar="KEY|FILE",
            help="A resource key, such as api_calls, or a definition document, JSON or YAML.",
            show_default=False,
        ),
    ] = "",
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help="Definition document, JSON or YAML.", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option(help="Display name (default: the key).", show_default=False)] = "",
    data_type: Annotated[
        str, typer.Option("--type", help="integer, or boolean for a feature (default: integer).", show_default=False)
    ] = "",
    unit: Annotated[str, typer.Option(help="Unit, such as call or byte.", show_default=False)] = "",
    scale: Annotated[int, typer.Option(help="Decimal places shown: 1250 at scale 2 is 12.50.")] = 0,
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Define a resource key, or describe it anew."""
    from entitlements.cli import values

    who = values.actor(actor)
    if file is None and values.names_a_document(resource_key):
        file, resource_key = Path(resource_key), ""
    if file is not None:
        command = _by_document(file, resource_key, name + data_type, who, {"unit": unit, "scale": scale})
    else:
        described = {"name": name, "data_type": data_type or "integer", "unit": unit, "scale": scale}
        command = _by_options(values.id_of("resource key", resource_key), described, who)
    with session(data) as opened:
        warnings = _check_parents(opened, command)
        done = opened.do(command, wait=not no_wait)
    facts = {"resource_key": command.resource_key, "warnings": warnings}
    report(done, f"Resource key {output.strong(command.resource_key)} is defined.", as_json=as_json, **facts)
    for warning in warnings:
        output.note(warning)


def _by_options(resource_key: str, described: dict[str, Any], actor: str) -> DefineResourceKey:
    from pydantic import ValidationError

    from entitlements.intake.definitions import DefinitionIsInvalid, KeyDefinition, explained

    try:
        return KeyDefinition(**described).command(resource_key, actor)
    except ValidationError as error:
        raise DefinitionIsInvalid(explained(error)) from error


def _by_document(file: Path, resource_key: str, said_twice: str, actor: str, more: dict[str, Any]) -> DefineResourceKey:
    from entitlements.cli.failures import InvalidValue
    from entitlements.intake.key_document import read_key

    document = read_key(file)
    if said_twice or resource_key not in ("", document.entitlement_id):
        raise InvalidValue("invalid_request", "The document has the key, its name and its type.", "Omit the options.")
    return document.command(actor, **more)


def _check_parents(opened: Session, command: DefineResourceKey) -> list[str]:
    """What to be warned of: parents may be defined later. Raises InheritanceCycle, InheritanceIsTooDeep."""
    from entitlements.domain.key_inheritance import check_lineage
    from entitlements_projections.reading import definitions

    parents = command.terms.inherits_from if command.terms is not None else []
    if not parents:
        return []
    graph = definitions.keys_ancestral(opened.database, parents)
    check_lineage(command.resource_key, parents, graph)
    types = {parent: graph[parent].data_type if parent in graph else None for parent in parents}
    if command.data_type == "integer":
        return [f"{command.resource_key} is an integer key, so it does not grant {', '.join(parents)}."]
    unknown = [f"{parent} is not defined yet." for parent, kind in types.items() if kind is None]
    return unknown + [
        f"{parent} is an integer key, so it is not granted." for parent, kind in types.items() if kind == "integer"
    ]


@keys.command("show", epilog=example("entitlements key show premium_analytics"))
def show_key(resource_key: ResourceKey, as_json: AsJson = False, data: Data = FOLDER) -> None:
    """Show a resource key and its definition document."""
    from entitlements.errors import UnknownKey
    from entitlements_projections import reading

    with session(data) as opened:
        found = reading.resource_key(opened.database, resource_key)
    if found is None:
        raise UnknownKey(f"{resource_key}.")
    if as_json:
        output.document(found)
        return
    inherits = f"{', '.join(found['inherits_from'])} ({found['override_policy']})" if found["inherits_from"] else ""
    tracking, constraints = found["usage_tracking"] or {}, found["constraints"] or {}
    is_feature = found["data_type"] == "boolean"
    output.facts(
        {
            "Name": found["name"],
            "Type": found["entitlement_type"] or found["data_type"],
            "Unit": found["unit"],
            "Default": bool(found["default_value"]) if is_feature else found["default_value"],
            "Inherits from": inherits,
            "Usage": _tracked(tracking, found["scale"]),
            "Only in": ", ".join(constraints.get("geographic_restrictions", [])),
            "Only from": _date(constraints.get("start_date")),
            "Only through": _date(constraints.get("end_date")),
            "Defined": found["defined_at"],
            "By": found["actor"],
        },
        title=f"Resource key {resource_key}",
    )


def _date(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _tracked(tracking: dict[str, Any], scale: int) -> str:
    if not tracking.get("enabled"):
        return ""
    limits = [(word, tracking[f"{word}_limit"]) for word in ("soft", "hard")]
    said = [f"{word} limit {output.amount(limit, scale)}" for word, limit in limits if limit is not None]
    return ", ".join([f"counted per {tracking['reset_period'] or 'lifetime'}", *said])
