"""The demo's phases in their order, and what it found."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, Protocol

from entitlements.demo import asking, counting, opening
from entitlements.demo.installation import own_servers, processes
from entitlements.demo.opening import REQUEST_KEY
from entitlements.domain.commands import Command
from entitlements.domain.governance_commands import CreateApiKey
from entitlements.errors import EntitlementsError
from entitlements.intake.api_keys import new_api_key
from entitlements.intake.lanes import Lanes
from entitlements.intake.lines import Meaning
from entitlements.intake.rows import FileIsInvalid, Row, Summary, check, read_rows
from entitlements.ledger.caller import Caller, Outcome, new_id
from entitlements.settings import Settings
from entitlements.wiring import readiness
from entitlements.wiring.supervisor import Supervisor

#: Rows of a usage file that are sorted in memory.
ROWS_MAX: Final = 2_000_000
BUSIEST: Final = 6
#: Seconds for what follows the ledger to catch up with it.
CATCH_UP_FOR_MAX: Final = 180.0

Progress = Callable[[int, int], None]


class DemoFailed(EntitlementsError):
    """A command of the demo was refused unexpectedly."""

    code = "demo_failed"


class Phases(Protocol):
    """Hears which phase begins, and how far it is: (done, in all), 0 in all where that is not known."""

    def __call__(self, sentence: str) -> AbstractContextManager[Progress]: ...


@dataclass
class Result:
    """What the demo found, and how long each phase took in seconds."""

    limit: int
    requests: int
    accepted: int = 0
    refused: int = 0
    exceeded_days: int = 0
    customers: int = 0
    changes: int = 0
    rebuild_equal: bool = False
    #: Questions that were asked over HTTP, and whether all answers agree with what was counted.
    asked: int = 0
    answers_agree: bool = False
    seconds: float = 0.0
    changes_by_type: dict[str, int] = field(default_factory=dict)
    refused_by_code: dict[str, int] = field(default_factory=dict)
    rows_compared: dict[str, int] = field(default_factory=dict)
    #: Commands that were sent again because no answer came, and processes that were started again.
    sent_again: int = 0
    restarts: int = 0
    phases: dict[str, float] = field(default_factory=dict)
    #: Of the busiest customers: who, requests accepted and refused, and what their pool has at its own present.
    busiest: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """Whether every request is accounted for once and the read models equal the log."""
        return self.rebuild_equal and self.answers_agree and self.accepted + self.refused == self.requests


def run_demo(limit: int, usage: Path | None, data: Path | None, phases: Phases) -> Result:
    """Run it from nothing. Raises FileIsInvalid, FolderIsNotEmpty, LocalServerError, DemoFailed, OutcomeUnknown, NotReadyYet."""
    with ExitStack() as stack:
        file = usage or stack.enter_context(as_file(files(__package__) / "web-usage.csv.gz"))
        summary = check(file)
        if summary.rows > ROWS_MAX:
            raise FileIsInvalid(f"{file} has {summary.rows} rows; the demo takes {ROWS_MAX}.")
        folder = data or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="entitlements-demo-")))
        demo = _Demo(Result(limit=limit, requests=summary.rows), phases)
        with demo.phase("start", "Starting Kafka and Postgres"):
            settings = stack.enter_context(own_servers(folder.absolute(), fast=data is None))
            supervisor = stack.enter_context(processes(settings, folder.absolute()))
        with Caller(settings) as caller:
            demo.open_pools(caller, summary)
            demo.record_usage(caller, file)
            key = demo.make_key(caller)
        demo.count(settings)
        demo.ask(settings, key)
        demo.prove(settings)
        demo.finish(supervisor)
        return demo.result


class _Demo:
    """The phases, each with its time."""

    def __init__(self, result: Result, phases: Phases) -> None:
        self.result = result
        self._phases = phases
        self._started = time.monotonic()

    @contextmanager
    def phase(self, name: str, sentence: str) -> Iterator[Progress]:
        started = time.monotonic()
        with self._phases(sentence) as progress:
            yield progress
        self.result.phases[name] = round(time.monotonic() - started, 2)

    def open_pools(self, caller: Caller, summary: Summary) -> None:
        ladder = opening.plans(self.result.limit)
        begins_at = summary.begins_at.replace(hour=0, minute=0, second=0, microsecond=0)
        with self.phase("open", f"Opening pools on the {ladder[0].name} plan") as progress:
            self._send(caller, opening.definitions(ladder), lambda done, total: None)  # noqa: ARG005
            commands = list(opening.openings(summary.customers, ladder[0], begins_at))
            self._send(caller, commands, progress)

    def record_usage(self, caller: Caller, file: Path) -> None:
        rows = _in_time_order(file)
        meaning = Meaning(source="demo")
        commands = [meaning.command(row, opening.pool_of(row.customer_id), in_backfill=True) for row in rows]
        with self.phase("usage", "Recording requests at their original times") as progress:
            self._send(caller, commands, progress)

    def make_key(self, caller: Caller) -> str:
        """A key of the demo's organization, for its own questions: nobody asks without one."""
        made = new_api_key()
        command = CreateApiKey(
            command_id=new_id(),
            actor=opening.ACTOR,
            organization_id=opening.ORGANIZATION,
            key_id=made.key_id,
            secret_sha256=made.secret_sha256,
            scopes=["read"],
        )
        self._send(caller, [command], lambda done, total: None)  # noqa: ARG005
        return made.token

    def ask(self, settings: Settings, key: str) -> None:
        """Ask over HTTP what the busiest customers may do: the answers are those that their own counts give."""
        with self.phase("ask", "Checking over HTTP, with an API key"):
            readiness.wait_until_at_work(settings, ["api"], CATCH_UP_FOR_MAX)
            decisions = asking.decisions(settings, key, [str(row["customer_id"]) for row in self.result.busiest])
        self.result.asked = len(decisions)
        self.result.answers_agree = asking.agree(decisions, self.result.busiest)

    def _send(self, caller: Caller, commands: list[Command] | list[Any], progress: Progress) -> None:
        done = 0

        def on_outcome(command: Command, outcome: Outcome) -> None:
            nonlocal done
            done += 1
            if outcome.status == "refused" and not outcome.refused_lines:
                raise DemoFailed(f"{type(command).__name__}: {outcome.code}: {outcome.message}")
            if done % 50 == 0 or done == len(commands):
                progress(done, len(commands))

        lanes = Lanes(caller)
        lanes.run(commands, on_outcome)
        self.result.sent_again += lanes.repeats

    def count(self, settings: Settings) -> None:
        with self.phase("read models", "Waiting for the read models"):
            books = counting.read_books(settings, REQUEST_KEY)
            self._read(settings, books)
        with self.phase("changes", "Waiting for the changes of every customer") as progress:
            readiness.wait_until_published(settings, books.ends, CATCH_UP_FOR_MAX)
            readiness.wait_until_changes_are_told(settings, CATCH_UP_FOR_MAX)
            changes = counting.read_changes(settings, progress)
        self.result.refused = len(books.refused)
        self.result.refused_by_code = dict(Counter(code for _, code in books.refused.values()))
        self.result.exceeded_days = len(books.exceeded)
        self.result.changes = changes.total()
        self.result.changes_by_type = dict(sorted(changes.items()))

    def _read(self, settings: Settings, books: counting.Books) -> None:
        from entitlements_projections import reading
        from entitlements_projections.database import connect

        result = self.result
        with closing(connect(settings.postgres)) as connection:
            reading.wait_for_all(connection, books.ends, CATCH_UP_FOR_MAX)
            query = "select count(*) from usage_events where resource_key = %s"
            result.accepted = _number(connection, query, (REQUEST_KEY,))
            result.customers = _number(connection, "select count(distinct workspace_id) from pool_assignments")
            refused = Counter(workspace_id for workspace_id, _ in books.refused.values())
            accepted = {
                str(row["workspace_id"]): int(row["lines"])
                for row in reading.busiest_customers(connection, REQUEST_KEY, BUSIEST)
            }
            for customer_id in busiest(accepted, refused):
                result.busiest.append(
                    {
                        "organization_id": opening.ORGANIZATION,
                        "customer_id": customer_id,
                        "accepted": accepted.get(customer_id, 0),
                        "refused": refused[customer_id],
                        "entitlements": reading.entitlements_of_workspace(
                            connection, opening.ORGANIZATION, customer_id, datetime.now(UTC)
                        ),
                    }
                )

    def prove(self, settings: Settings) -> None:
        from entitlements_projections.rebuild import rebuild

        with self.phase("proof", "Rebuilding and comparing the read models") as progress:
            report = rebuild(settings, progress=progress, compare_only=True)
        self.result.rebuild_equal = report.equal
        self.result.rows_compared = report.rows

    def finish(self, supervisor: Supervisor) -> None:
        self.result.restarts = sum(program.restarts for program in supervisor.programs)
        self.result.seconds = round(time.monotonic() - self._started, 2)


def busiest(accepted: dict[str, int], refused: Counter[str]) -> list[str]:
    """The customers with most requests accepted; if too few had any, as with a limit of 0, those with most refused."""
    by_refusals = [customer_id for customer_id, _ in refused.most_common(BUSIEST) if customer_id not in accepted]
    return [*accepted, *by_refusals][:BUSIEST]


def _in_time_order(file: Path) -> list[Row]:
    """The rows by their instants, numbered in that order: a pool's clock never goes back."""
    rows = sorted(read_rows(file), key=lambda row: row.occurred_at)
    return [
        row if row.number == number else row.model_copy(update={"number": number}) for number, row in enumerate(rows, 1)
    ]


def _number(connection: Any, query: str, parameters: tuple[Any, ...] = ()) -> int:
    (number,) = connection.execute(query, parameters).fetchone()
    return int(number)
