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
    limit: Annotated[int, typer.Option(min=0, max=2**53, help="Daily api_calls quota of each client.")] = 50,
    usage: Annotated[
        Path | None,
        typer.Option(
            help="CSV file to use instead, with columns usage_id, occurred_at, customer_id, bytes.", show_default=False
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Keep all data in this folder (default: deleted at the end).", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a complete installation from scratch: Kafka, Postgres, Faust, 10,000 recorded requests from 1,753 clients, and a check of the results.

    Every client is a customer with its own pool on the first of three plans. Each request uses 1 of api_calls, limited by a daily
    quota, and reports its bytes as bandwidth. If the environment names Kafka or Postgres, the demo uses them with its own topics and
    database. Exit status 1 if the counts or the read models are wrong.
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
        output.Styled(f"identical, {same}", "green")
        if result.rebuild_equal
        else output.Styled(f"different, {same}", "red")
    )
    answers = ("all correct", "green") if result.answers_agree else ("some wrong", "red")
    output.facts(
        {
            "Requests": f"{result.requests:,} of {result.customers:,} customers, {result.limit:,} a day each",
            "Accepted": f"{result.accepted:,}",
            "Refused": f"{result.refused:,} on {result.exceeded_days:,} customer-days",
            "Changes": f"{result.changes:,}",
            "Checks over HTTP": output.Styled(f"{result.asked}, {answers[0]}", answers[1]),
            "Read models rebuilt from the ledger": proof,
            "Took": f"{result.seconds:.1f} s: "
            + ", ".join(f"{name} {seconds:.1f}" for name, seconds in result.phases.items()),
        },
        title="Result",
    )
    if data is not None:
        output.say(
            f"Next: `entitlements up --data {data}`, then `entitlements customer show {output.literal(result.busiest[0]['customer_id'])} --data {data}`"
        )
