"""`entitlements scenario`: timelines against the pure domain, without servers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from entitlements.cli import output, previewing
from entitlements.cli.options import AsJson, example, group

if TYPE_CHECKING:
    from entitlements.scenarios.running import Outcome

scenarios = group("""
Scenarios: run commands on a timeline and check the results, without servers.

A scenario is a YAML file with steps and expected results:

  sets:
    free: {rules: [{key: api_calls, type: quota, amount: 100, period: day}]}
  timeline:
    - do: {ProvisionPool: {provision: sub, set: free}}
    - at: +1h
      use: {key: api_calls, quantity: 101}
      expect:
        refused_lines: [quota_exceeded]
        keys: {api_calls: {remaining: 100}}

The library has an example of every rule: `entitlements scenario list`. The format is described in docs/scenarios.md.
""")
RUN_EXAMPLE: Final = example(
    "entitlements scenario run", "entitlements scenario run credits", "entitlements scenario run my-plans/ --json"
)
LIST_EXAMPLE: Final = example("entitlements scenario list", "entitlements scenario list my-plans/")
SHOW_EXAMPLE: Final = example("entitlements scenario show plans/more-is-bought")
SCHEMA_EXAMPLE: Final = example("entitlements scenario schema > scenario.schema.json")

#: Of a rule in a narrower column nothing is shown.
_RULE_MIN: Final = 16

Paths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FILE|FOLDER|FEATURE",
        help="A scenario, with or without .yaml, a folder, or a feature of the library (default: the whole library).",
    ),
]


@scenarios.command("list", epilog=LIST_EXAMPLE)
def list_(paths: Paths = None, as_json: AsJson = False) -> None:
    """List scenarios by feature, with the rule each one shows."""
    from entitlements.scenarios.reading import LIBRARY, find, read

    found = [read(path) for path in find(paths or [])]
    if as_json:
        rows = [{"feature": s.feature, "name": s.name, "about": s.written.about, "path": str(s.path)} for s in found]
        output.document({"scenarios": rows})
        return
    paths_shown = [s.path.relative_to(LIBRARY) if s.path.is_relative_to(LIBRARY) else s.path for s in found]
    named = [(path.with_suffix(""), s.name) for s, path in zip(found, paths_shown, strict=True)]
    width = output.width_of(sys.stdout)
    if width is None:
        output.table(("Scenario", "Rule"), named)
    else:
        _list_by_feature(named, width)
    output.say(f"{output.counted(len(found), 'scenario')}. See one with `entitlements scenario show NAME`.")


def _list_by_feature(named: list[tuple[Path, str]], width: int) -> None:
    """One line each: its name, and of its rule what fits. The folder is the feature, and the first part of the name."""
    from itertools import groupby
    from textwrap import shorten

    for folder, group_of in groupby(named, key=lambda each: each[0].parent):
        rows = list(group_of)
        margin = max(len(name.name) for name, _ in rows)
        output.say(f"[bold]{output.literal(folder)}/[/bold]")
        for name, rule in rows:
            room = width - margin - 5
            fits = shorten(rule, room, placeholder=" ...") if room >= _RULE_MIN else ""
            output.say(
                f"  {output.literal(name.name):{margin}}   [dim]{output.literal(fits)}[/dim]"
                if fits
                else f"  {output.literal(name.name)}"
            )


@scenarios.command("show", epilog=SHOW_EXAMPLE)
def show(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Name from `scenario list`, with or without .yaml.")],
    as_json: AsJson = False,
) -> None:
    """Print a scenario file, to read it or to write your own."""
    from entitlements.cli.failures import InvalidValue
    from entitlements.scenarios.reading import find

    found, *others = find([path])
    if others:
        raise InvalidValue(
            "invalid_request", f"{path} has {len(others) + 1} scenarios.", f"See `entitlements scenario list {path}`."
        )
    text = found.read_text(encoding="utf-8")
    if as_json:
        output.document({"path": str(found), "text": text})
    else:
        output.plain(text)


@scenarios.command("schema", epilog=SCHEMA_EXAMPLE)
def schema(as_json: AsJson = False) -> None:
    """Print the JSON Schema of scenario files, for completion and validation in editors.

    For the YAML language server, start a file with `# yaml-language-server: $schema=scenario.schema.json`.
    """
    import json

    from entitlements.scenarios import files

    if as_json:
        output.document(files.schema())
    else:
        output.plain(json.dumps(files.schema(), indent=2) + "\n")


def _tell(outcome: Outcome) -> None:
    mark = "[green]passed[/green]" if outcome.passed else "[red]failed[/red]"
    output.say(f"{mark}  {outcome.feature}: {output.literal(outcome.name)}")
    if outcome.invalid:
        output.say(f"  {output.literal(outcome.invalid)}")
    for deviation in outcome.deviations:
        output.say(f"  {output.literal(deviation.place)}, {output.text(deviation.at)}")
        for difference in deviation.differences:
            output.say(f"    {output.literal(difference.what)}")
            output.say(f"      expected  {output.literal(_text(difference.expected))}")
            output.say(f"      got       {output.literal(_text(difference.got))}")


def _text(value: Any) -> str:
    """A value as it would be written in the file."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {_text(part)}' for name, part in value.items())}}}"
    return str(value) or '""'


def _document(outcome: Outcome) -> dict[str, Any]:
    deviations = [
        {"place": deviation.place, "at": deviation.at, "differences": [vars(each) for each in deviation.differences]}
        for deviation in outcome.deviations
    ]
    facts = {"path": str(outcome.path), "feature": outcome.feature, "name": outcome.name, "passed": outcome.passed}
    return facts | {"invalid": outcome.invalid or None, "deviations": deviations}


@scenarios.command("run", epilog=RUN_EXAMPLE)
def run(paths: Paths = None, as_json: AsJson = False) -> None:
    """Run scenarios and report what differs from the expected results.

    Prints "N passed, N failed" at the end. Exit status 1 if one failed.
    """
    import time

    from entitlements.scenarios import files
    from entitlements.scenarios.reading import find
    from entitlements.scenarios.running import run_file

    found = find(paths or [])
    files.model()  # Made once for all of them: no scenario takes that time.
    began = time.perf_counter()
    outcomes = [run_file(path) for path in found]
    took_ms = (time.perf_counter() - began) * 1_000
    failed = sum(not outcome.passed for outcome in outcomes)
    if as_json:
        counts = {"passed": len(outcomes) - failed, "failed": failed, "took_ms": round(took_ms, 1)}
        output.document(counts | {"scenarios": [_document(outcome) for outcome in outcomes]})
    else:
        for outcome in outcomes:
            _tell(outcome)
        each = f", {took_ms / len(outcomes):.1f} ms each" if len(outcomes) > 1 else ""
        output.say(f"[dim]{took_ms:,.1f} ms{each}[/dim]")
        output.say(f"{len(outcomes) - failed} passed, {failed} failed")
    if failed:
        raise typer.Exit(1)


scenarios.command("preview", epilog=previewing.EXAMPLE)(previewing.preview)
