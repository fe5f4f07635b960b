"""`entitlements usage import`: requests from a file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from entitlements.cli import output
from entitlements.cli.failures import Refused
from entitlements.cli.metering import usages
from entitlements.cli.options import FOLDER, AsJson, Data, Organization, example
from entitlements.cli.session import Session, session

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from entitlements.domain.commands import Command
    from entitlements.intake.lines import Meaning
    from entitlements.intake.rows import Row, Summary
    from entitlements.ledger.caller import Outcome


@usages.command(
    "import",
    epilog=example("entitlements usage import web-usage.csv.gz", "entitlements usage import growing.csv --source web"),
)
def import_usage(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file, plain or gzipped.", show_default=False)],
    source: Annotated[
        str,
        typer.Option(
            help="Name of the source: each row number of a source counts once per pool. Set it for a file that grows "
            "(default: derived from the file's content).",
            show_default=False,
        ),
    ] = "",
    request_key: Annotated[str, typer.Option(help="Key of which each row uses 1, as strict usage.")] = "api_calls",
    bytes_key: Annotated[
        str, typer.Option(help="Key that gets each row's bytes, as reported usage.")
    ] = "bandwidth_bytes",
    organization: Organization = "",
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Import requests from a CSV file with the columns usage_id, occurred_at, customer_id and bytes, sorted by time. Other columns are ignored.

    Each row counts in the customer's primary pool, or in the pool that already counted it. A pool in backfill decides a row at its
    occurred_at, other pools decide it now. Importing a file twice counts it once. The whole file is validated before the first row is sent.
    """
    from entitlements.cli import values
    from entitlements.domain.ids import derived_id
    from entitlements.intake.lanes import Lanes
    from entitlements.intake.lines import Meaning
    from entitlements.intake.rows import check, read_rows

    summary = check(file)
    meaning = Meaning(
        source=values.new_id_of("source", source) if source else derived_id("file", summary.digest),
        request_key=request_key,
        bytes_key=bytes_key,
    )
    tally = _Tally()
    with session(data) as opened:
        pools = _pools_of_all(opened, summary, (request_key, bytes_key), organization)
        commands = (
            meaning.command(row, pool_id, in_backfill=in_backfill)
            for row, pool_id, in_backfill in _placed(opened, read_rows(file), meaning, pools)
        )
        lanes = Lanes(opened.caller)
        with output.progress(f"Importing {output.counted(summary.rows, 'row')}") as progress:
            lanes.run(commands, lambda command, outcome: tally.take(command, outcome, progress, summary.rows))
        for partition, offset in tally.ends.items():
            opened.is_visible(partition, offset)
    _report_import(tally, summary, meaning.source, lanes.repeats, as_json=as_json)


#: Rows of which it is looked up together who took them before.
_ROWS_AT_ONCE = 1_000


def _pools_of_all(
    opened: Session, summary: Summary, keys: tuple[str, ...], organization: str
) -> dict[str, dict[str, bool]]:
    """The pools of each customer of a file, the primary one first and those of before last, and whether each is in backfill.

    Raises UnknownKey, UnknownCustomer, AmbiguousCustomer before anything is sent.
    """
    from contextlib import suppress

    from entitlements.cli.customers import organization_of
    from entitlements.errors import UnknownCustomer
    from entitlements_projections import reading

    for key in keys:
        opened.require_key(key)
    found: dict[str, dict[str, bool]] = {}
    for customer in summary.customers:
        found[customer] = {}
        with suppress(UnknownCustomer):
            of = organization_of(opened, customer, organization)
            pools = reading.pools_ever_of_workspace(opened.database, of, customer)
            if any(row["is_used"] for row in pools):
                found[customer] = {row["pool_id"]: row["backfilling"] for row in pools}
    unknown = [customer for customer, pools in found.items() if not pools]
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise UnknownCustomer(f"{', '.join(unknown[:3])}{more}. Nothing was sent.")
    several = {pool_id for pools in found.values() if len(pools) > 1 for pool_id in pools}
    if several:
        opened.catch_up(several)
    return found


def _placed(
    opened: Session, rows: Iterable[Row], meaning: Meaning, pools: Mapping[str, Mapping[str, bool]]
) -> Iterator[tuple[Row, str, bool]]:
    """Each row with its pool, and whether that is in backfill: the primary pool, or the one that took the row before.

    A pool remembers the numbers of its rows by itself: in another one, a row that was imported before would count again.
    """
    from itertools import islice

    from entitlements_projections.reading.views import pools_with_usages

    left = iter(rows)
    while together := list(islice(left, _ROWS_AT_ONCE)):
        asked = [
            (pool_id, usage_id)
            for row in together
            if len(pools[row.customer_id]) > 1
            for usage_id in meaning.usage_ids(row)
            for pool_id in pools[row.customer_id]
        ]
        took = pools_with_usages(opened.database, asked) if asked else {}
        for row in together:
            of_customer = pools[row.customer_id]
            before = [took[usage_id] for usage_id in meaning.usage_ids(row) if took.get(usage_id) in of_customer]
            pool_id = next(iter([*before, *of_customer]))
            yield row, pool_id, of_customer[pool_id]


class _Tally:
    """What became of the rows of a file."""

    def __init__(self) -> None:
        self.rows = self.accepted = self.repeated = 0
        self.refused: Counter[str] = Counter()
        self.refused_bytes: Counter[str] = Counter()
        self.ends: dict[int, int] = {}

    def take(self, command: Command, outcome: Outcome, progress: output.Progress, total: int) -> None:
        """Count one outcome."""
        if outcome.status == "refused" and not outcome.refused_lines:
            raise Refused(outcome.code, outcome.message, command_id=command.command_id)
        self.rows += 1
        self.ends[outcome.partition] = max(outcome.frame_offset, self.ends.get(outcome.partition, -1))
        refused = {line.index: line.code for line in outcome.refused_lines}
        if outcome.repeated:
            self.repeated += 1
        elif 0 in refused:
            self.refused[refused[0]] += 1
        else:
            self.accepted += 1
        if 1 in refused:
            self.refused_bytes[refused[1]] += 1
        if self.rows % 50 == 0 or self.rows == total:
            progress(self.rows, total)


def _report_import(tally: _Tally, summary: Summary, source: str, repeats: int, *, as_json: bool) -> None:
    if as_json:
        output.document(
            {
                "rows": summary.rows,
                "accepted": tally.accepted,
                "refused": tally.refused.total(),
                "repeated": tally.repeated,
                "refused_by_code": dict(tally.refused),
                "bytes_refused_by_code": dict(tally.refused_bytes),
                "source": source,
                "sent_again": repeats,
            }
        )
        return
    output.facts(
        {
            "Rows": summary.rows,
            "Accepted": tally.accepted,
            "Refused": _counts(tally.refused) or 0,
            "Bytes refused": _counts(tally.refused_bytes),
            "Already imported": tally.repeated or None,
            "Source": source,
        },
        title="Imported",
    )


def _counts(codes: Counter[str]) -> str:
    return ", ".join(f"{count:,} {code}" for code, count in codes.most_common())
