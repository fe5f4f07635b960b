"""`entitlements scenario preview`: a changed set over the recorded history of real pools."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from entitlements.cli import output
from entitlements.cli.options import FOLDER, AsJson, Data, example
from entitlements.cli.session import Session, session

if TYPE_CHECKING:
    from entitlements.cli.output import Progress
    from entitlements.scenarios.preview import KeyOutcome, Preview

EXAMPLE: Final = example(
    "entitlements scenario preview --set pro.yaml", "entitlements scenario preview --set pro.yaml --pool p1 --json"
)


def preview(
    file: Annotated[Path, typer.Option("--set", help="Definition file of the changed set.", show_default=False)],
    pools: Annotated[
        list[str] | None, typer.Option("--pool", "-p", help="Only this pool. Repeatable.", show_default=False)
    ] = None,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Preview a changed entitlement set: who would gain or lose if it had always been as in FILE.

    The history of every pool that had the set is replayed twice: as it was, and with the rules of FILE. Nothing is changed. Refused is the
    usage that was denied, Overage the usage above the limit.
    """
    from entitlements.intake.definitions import read_set
    from entitlements.scenarios.preview import Preview
    from entitlements_projections.reading import definitions

    definition = read_set(file)
    with session(data) as opened, output.progress(f"Replaying the history of {definition.set_id}") as tell:
        family = definitions.set_family(opened.database, definition.parents())
        rules = definition.set_command("preview", family).rules
        found = Preview(definition.set_id, rules, pools or [])
        _replay(opened, found, tell)
    outcomes, refusals = list(found.outcomes()), found.refusals()
    if as_json:
        output.document({
            "set_id": definition.set_id,
            "pools": found.count(),
            "outcomes": [_document(outcome) for outcome in outcomes],
            "refusals": refusals,
        })  # fmt: skip
        return
    _tell(definition.set_id, found.count(), outcomes, refusals)


def _replay(opened: Session, found: Preview, tell: Progress) -> None:
    """Give every valid frame of the ledger to the preview, each partition's in order."""
    from entitlements.ledger.chain import ChainPosition
    from entitlements.ledger.frames import decode_plain_events
    from entitlements.ledger.records import event_from_record
    from entitlements.ledger.tail import LedgerTail

    opened.require_kafka()
    tail = LedgerTail(opened.settings, {number: ChainPosition() for number in range(opened.settings.partitions)})
    try:
        ends = {number: tail.end_offset(number) for number in range(opened.settings.partitions)}
        while (done := sum(min(tail.next_offset(number), end) for number, end in ends.items())) < sum(ends.values()):
            tell(done, sum(ends.values()))
            for frame in tail.read():
                found.take(
                    event_from_record(f"entitlements.events.{name}", record)
                    for name, record in decode_plain_events(frame.value).events
                )
        tell(sum(ends.values()), sum(ends.values()))
    finally:
        tail.close()


def _document(outcome: KeyOutcome) -> dict[str, Any]:
    def side(held: bool, limit: int | None, tally: Any) -> dict[str, Any]:
        counts = {"refused_lines": tally.refused_lines, "refused": tally.refused, "over": tally.overage}
        return {"held": held, "limit": limit} | counts

    return {
        "pool_id": outcome.pool_id,
        "resource_key": outcome.resource_key,
        "is_feature": outcome.is_feature,
        "gains": outcome.gains,
        "loses": outcome.loses,
        "before": side(outcome.held_before, outcome.limit_before, outcome.before),
        "after": side(outcome.held_after, outcome.limit_after, outcome.after),
    }


def _tell(set_id: str, pools: int, outcomes: list[KeyOutcome], refusals: dict[str, dict[str, int]]) -> None:
    if outcomes:
        output.table(
            ("Pool", "Resource key", "", ">Limit", ">Refused", ">Overage"),
            [
                (
                    outcome.pool_id,
                    outcome.resource_key,
                    _verdict(outcome),
                    f"{_included(outcome, after=False)} → {_included(outcome, after=True)}",
                    f"{outcome.before.refused:,} → {outcome.after.refused:,}",
                    f"{outcome.before.overage:,} → {outcome.after.overage:,}",
                )
                for outcome in outcomes
            ],
        )
        output.say(
            "[dim]Each as it was → with the new rules. Refused: usage denied. Overage: usage above the limit.[/dim]"
        )
    gain = {outcome.pool_id for outcome in outcomes if outcome.gains}
    lose = {outcome.pool_id for outcome in outcomes if outcome.loses}
    same = pools - len(gain | lose)
    held = f"{output.counted(pools, 'pool')} {'has' if pools == 1 else 'have'}"
    output.say(f"{held} held {output.literal(set_id)}; gain: {len(gain)}, lose: {len(lose)}, no difference: {same}.")
    for pool_id, codes in refusals.items():
        told = ", ".join(f"{code} ({count})" for code, count in codes.items())
        output.note(f"{pool_id}: with this set, some commands of its history would be refused: {told}")


def _verdict(outcome: KeyOutcome) -> output.Styled:
    if outcome.gains and outcome.loses:
        return output.Styled("both", "yellow")
    return output.Styled("gains", "green") if outcome.gains else output.Styled("loses", "red")


def _included(outcome: KeyOutcome, *, after: bool) -> str:
    held, limit = (outcome.held_after, outcome.limit_after) if after else (outcome.held_before, outcome.limit_before)
    if outcome.is_feature or not held:
        return "included" if held else "not included"
    return output.amount(limit)
