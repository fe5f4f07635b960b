"""`entitlements scenario`: timelines against the pure domain, without servers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from entitlements.cli import output, previewing
from entitlements.cli.options import AsJson, example, group

scenarios = group("Scenarios: what happens on a timeline of commands, worked out without servers.")
RUN_EXAMPLE: Final = example("entitlements scenario run", "entitlements scenario run my-plans/ --json")


@scenarios.command("run", epilog=RUN_EXAMPLE)
def run(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="[FILE|FOLDER]...", help="YAML; the shipped scenarios, if left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Decide timelines and say what differs from what they expect. The format is in docs/scenarios.md.

    Ends with "N passed, N failed", and status 1 when one failed.
    """
    from entitlements.scenarios import reading
    from entitlements.scenarios.running import run as decide

    outcomes = [decide(reading.read(path)) for path in reading.find(paths or [])]
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if as_json:
        found = {str(outcome.scenario.path): outcome.differences for outcome in outcomes}
        output.document({"passed": len(outcomes) - len(failed), "failed": len(failed), "scenarios": found})
    else:
        for outcome in outcomes:
            mark = "[green]passed[/green]" if outcome.passed else "[red]failed[/red]"
            output.say(f"{mark}  {outcome.scenario.feature}: {outcome.scenario.name}")
            for difference in outcome.differences:
                output.say(f"        {difference}")
        output.say(f"{len(outcomes) - len(failed)} passed, {len(failed)} failed")
    if failed:
        raise typer.Exit(1)


scenarios.command("preview", epilog=previewing.EXAMPLE)(previewing.preview)
