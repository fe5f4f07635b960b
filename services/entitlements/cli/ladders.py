"""`entitlements ladder`: ordered families of plans, whose rungs are the service tiers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from entitlements.cli import output
from entitlements.cli.options import FOLDER, Actor, AsJson, Data, NoWait, example, group, prose
from entitlements.cli.session import report, session

ladders = group("Plan ladders: ordered plans, such as Free < Pro < Enterprise.")

Ladder = Annotated[str, typer.Argument(metavar="LADDER", help="Id of the ladder.", show_default=False)]

_DEFINE_HELP = """
Define a plan ladder from a YAML or JSON file. A pool has at most one active plan per ladder.

Sets can then use only its rungs. A ladder that is not defined gets its rungs from the sets that name it. Define it again to add, rename
or retire rungs; plans on a retired rung stay there.

[bold]The file[/bold]

  ladder: plans
  name: Plans
  rungs:                     # in ascending order, higher is more
    - {rung: 1, name: Free}
    - {rung: 2, name: Pro}
    - {rung: 3, name: Enterprise}
"""


@ladders.command("define", help=prose(_DEFINE_HELP), epilog=example("entitlements ladder define plans.yaml"))
def define(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Definition file, YAML or JSON.", show_default=False)],
    actor: Actor = "",
    no_wait: NoWait = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Define a plan ladder by a file."""
    from entitlements.cli import values
    from entitlements.intake.definitions import read_ladder

    command = read_ladder(file).command(values.actor(actor))
    with session(data) as opened:
        done = opened.do(command, wait=not no_wait)
        rungs = [vars(rung) for rung in command.rungs]
        names = output.literal(", ".join(rung.name for rung in command.rungs))
        sentence = f"Ladder {output.strong(command.ladder)} is defined with rungs {names}."
        report(done, sentence, as_json=as_json, ladder=command.ladder, rungs=rungs)


@ladders.command("show", epilog=example("entitlements ladder show plans"))
def show(ladder: Ladder, as_json: AsJson = False, data: Data = FOLDER) -> None:
    """Show a plan ladder: its rungs, including retired ones, and their sets."""
    from entitlements.errors import UnknownLadder
    from entitlements_projections.reading import definitions

    with session(data) as opened:
        found = definitions.plan_ladder(opened.database, ladder)
    if found is None:
        raise UnknownLadder(f"{ladder}.")
    if as_json:
        output.document(found | {"retired_rungs": _retired(found)})
        return
    names = {rung["rung"]: rung["name"] for rung in found["rungs"] or ()}
    retired = _retired(found)
    title = f"Ladder {ladder}" + (f", {found['name']}" if found["name"] else ", not defined: rungs come from its sets")
    on_rungs: dict[int, list[str]] = {rung: [] for rung in names}
    for each in found["sets"]:
        on_rungs.setdefault(each["rung"], []).append(f"{each['set_id']} v{each['set_version']}")
    rows = [
        (rung, names.get(rung, ""), "retired" if rung in retired else "", ", ".join(on_rungs[rung]))
        for rung in sorted(on_rungs)
    ]
    output.table((">Rung", "Tier", "Status", "~Sets"), rows, title)


def _retired(found: dict[str, Any]) -> list[int]:
    """Rungs that the definition of a ladder no longer has, while sets are on them."""
    defined = {rung["rung"] for rung in found["rungs"] or ()}
    return sorted({each["rung"] for each in found["sets"]} - defined) if found["is_defined"] else []


@ladders.command("list", epilog=example("entitlements ladder list"))
def list_ladders(as_json: AsJson = False, data: Data = FOLDER) -> None:
    """List plan ladders, including undefined ones that sets name."""
    from entitlements_projections.reading import definitions

    with session(data) as opened:
        found = definitions.plan_ladders(opened.database)
    if as_json:
        output.document({"ladders": found})
        return
    rows = [
        (row["ladder"], row["name"], "yes" if row["is_defined"] else "no", ", ".join(s["set_id"] for s in row["sets"]))
        for row in found
    ]
    output.table(("Ladder", "Name", "Defined", "~Sets, by rung"), rows)
