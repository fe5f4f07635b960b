"""`entitlements demo`: the main job, from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from entitlements.cli import output
from entitlements.cli.failures import DONE, FAILED, INTERRUPTED
from entitlements.cli.options import AsJson, example

if TYPE_CHECKING:
    from entitlements.demo.running import Result

EXAMPLE = example(
    "entitlements demo", "entitlements demo --limit 37 --json", "entitlements demo --data demo-data --usage other.csv"
)


def demo(
    limit: Annotated[int, typer.Option(min=0, max=2**53, help="Daily quota of api_calls of every client.")] = 50,
    usage: Annotated[
        Path | None,
        typer.Option(help="Another CSV with usage_id, occurred_at, customer_id, bytes.", show_default=False),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Keep everything in this folder; else it is gone at the end.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the main job from nothing: real Kafka, Postgres and Faust, 10,000 recorded requests of 1,753 clients, and a proof.

    Every client is a customer with its own pool on the first of three plans. Each request uses 1 of api_calls, which a daily
    quota may refuse, and reports its bytes as bandwidth. Servers named in the environment are used, with topics and a database of
    our own. Exit status 1 when the counts or the read models are not right.
    """
    from entitlements.demo.running import run_demo
    from entitlements.wiring.signals import until_told_to_stop

    with until_told_to_stop():
        result = run_demo(limit, usage, data, output.progress)
        if as_json:
            output.document(_document(result))
        else:
            _show(result, data)
        raise typer.Exit(DONE if result.is_right else FAILED)
    raise typer.Exit(INTERRUPTED)  # We were told to stop before the end.


def _document(result: Result) -> dict[str, object]:
    from entitlements.cli import dashboard

    facts = {name: value for name, value in vars(result).items() if name != "busiest"}
    busiest = [
        {**row, "entitlements": [dashboard.fact(held) for held in row["entitlements"]]} for row in result.busiest
    ]
    return facts | {"is_right": result.is_right, "busiest": busiest}


def _show(result: Result, data: Path | None) -> None:
    from entitlements.cli import dashboard

    output.say("The busiest customers, at their last request:")
    output.say()
    for customer in result.busiest:
        output.table(
            ("Entitlement", ">Current", ">Quota", "Status"),
            [dashboard.cells(held) for held in customer["entitlements"]],
            title=customer["customer_id"],
        )
    output.table(
        ("Customer", ">Requests accepted", ">Refused"),
        [(customer["customer_id"], customer["accepted"], customer["refused"]) for customer in result.busiest],
    )
    output.table(("Published to entitlements.changes", ">Changes"), result.changes_by_type.items())
    same = f"{sum(result.rows_compared.values()):,} rows in {len(result.rows_compared)} tables"
    proof = (
        output.Styled(f"equal, {same}", "green") if result.rebuild_equal else output.Styled(f"different, {same}", "red")
    )
    answers = ("every answer as counted", "green") if result.answers_agree else ("not as counted", "red")
    output.facts(
        {
            "Requests": f"{result.requests:,} of {result.customers:,} customers, {result.limit:,} a day each",
            "Accepted": f"{result.accepted:,}",
            "Refused": f"{result.refused:,} on {result.exceeded_days:,} customer-days",
            "Changes": f"{result.changes:,}",
            "Asked over HTTP": output.Styled(f"{result.asked} questions, {answers[0]}", answers[1]),
            "Read models rebuilt from the log": proof,
            "Took": f"{result.seconds:.1f} s: "
            + ", ".join(f"{name} {seconds:.1f}" for name, seconds in result.phases.items()),
        },
        title="Result",
    )
    if data is not None:
        output.say(
            f"Look around: `entitlements up --data {data}`, then `entitlements usage {output.literal(result.busiest[0]['customer_id'])} --data {data}`"
        )
