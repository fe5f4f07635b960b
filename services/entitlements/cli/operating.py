"""`entitlements up, topics, migrate, read-models rebuild`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entitlements.cli import output
from entitlements.cli.options import FOLDER, AsJson, Data, example, group
from entitlements.cli.session import address_of_postgres, session

if TYPE_CHECKING:
    from entitlements.settings import Settings
    from entitlements.wiring.supervisor import Program, Supervisor
    from entitlements_projections.rebuild import Report

UP_EXAMPLE = example("entitlements up", "ENTITLEMENTS_KAFKA=broker:9092 entitlements up --data /var/lib/entitlements")
TOPICS_EXAMPLE = example("entitlements topics")
MIGRATE_EXAMPLE = example("entitlements migrate")

read_models = group("The read models: tables in Postgres that can be rebuilt from the ledger.")

_READY_WITHIN_FOR = 60.0


def _port(option: str, what: str, first: str, envvar: str | None = None) -> Any:
    """An option that chooses a port."""
    said = f"Port of {what} (default: {first} at the first start, then the same)."
    return typer.Option(
        option, envvar=envvar, min=0, max=65_535, metavar="PORT", help=said, show_default=False, rich_help_panel="Ports"
    )


def up(
    data: Annotated[
        Path, typer.Option("--data", envvar="ENTITLEMENTS_DATA", help="Folder for data, logs and addresses.")
    ] = FOLDER,
    valkey: Annotated[
        bool, typer.Option("--valkey", help="Also start a shared cache, Valkey (docs/caching.md).")
    ] = False,
    api_port: Annotated[
        int | None, _port("--api-port", "the HTTP API", "8080, or a free one", envvar="ENTITLEMENTS_API_PORT")
    ] = None,
    registry_port: Annotated[
        int | None,
        _port("--registry-port", "the schema registry", "8081, or a free one", envvar="ENTITLEMENTS_REGISTRY_PORT"),
    ] = None,
    kafka_port: Annotated[int | None, _port("--kafka-port", "the local Kafka", "a free one")] = None,
    postgres_port: Annotated[int | None, _port("--postgres-port", "the local Postgres", "a free one")] = None,
    as_json: AsJson = False,
) -> None:
    """Keep Kafka, Postgres and all processes running until Ctrl-C.

    If ENTITLEMENTS_KAFKA or ENTITLEMENTS_POSTGRES is set, that server is used; otherwise one is started in the data folder. Commands
    run in the same directory find them. A process that exits is restarted. Nothing keeps running after Ctrl-C.

    The ports of the first start are saved in the data folder. If one of them is in use at a later start, that is an error.
    """
    from entitlements.wiring import addresses
    from entitlements.wiring.environment import settings_of_the_environment, unknown_variables
    from entitlements.wiring.installation import installation_in
    from entitlements.wiring.logs import check_log_settings
    from entitlements.wiring.servers import require_packages, servers_in
    from entitlements.wiring.signals import until_told_to_stop

    check_log_settings()
    for sentence in unknown_variables():
        output.note(sentence)
    folder = data.absolute()
    chosen = {
        name: port for name, port in (("api_port", api_port), ("registry_port", registry_port)) if port is not None
    }
    stopped = False
    with until_told_to_stop() as wait:
        asked = settings_of_the_environment().model_copy(update=chosen)
        require_packages(valkey=valkey)
        with installation_in(folder, asked) as ours:
            if not as_json:
                output.say("Starting Kafka and Postgres ...")
            with servers_in(folder, valkey=valkey, kafka_port=kafka_port, postgres_port=postgres_port) as settings:
                kept = {name: getattr(ours, name) for name in ("installation", "api_port", "registry_port")}
                try:
                    with _everything(settings.model_copy(update=kept), folder, as_json=as_json):
                        wait()
                finally:
                    addresses.remove(folder)
                    stopped = not as_json
                    if stopped:
                        output.say("Stopping ...")
    if stopped:
        output.say("Stopped.")


def _everything(ours: Settings, folder: Path, *, as_json: bool) -> Any:
    from contextlib import contextmanager, suppress

    from entitlements.wiring import addresses, readiness
    from entitlements.wiring.preparing import prepare
    from entitlements.wiring.processes import PROCESSES
    from entitlements.wiring.supervisor import Supervisor

    @contextmanager
    def running() -> Any:
        prepare(ours)
        registry = f"http://{ours.registry_host}:{ours.registry_port}"
        api = f"http://{ours.api_host}:{ours.api_port}"
        supervisor: Supervisor
        told: dict[str, str] = {}

        def on_change(program: Program) -> None:
            with suppress(OSError):  # The disk is full. The processes are looked after all the same.
                addresses.write(folder, ours, registry=registry, api=api, pid=os.getpid(), processes=supervisor.pids())
            if program.process is None and not as_json:
                _tell_end(program, told)

        supervisor = Supervisor(PROCESSES, addresses.environment_of(ours), folder / "logs", on_change)
        with supervisor:
            readiness.wait_until_at_work(ours, PROCESSES, _READY_WITHIN_FOR)
            _tell_what_runs(ours, {"API": api, "Registry": registry}, supervisor, folder, as_json=as_json)
            yield

    return running()


def _tell_end(program: Program, told: dict[str, str]) -> None:
    """Print why a process ended, once until it is another reason. told: what was printed last, by process."""
    from entitlements.wiring.supervisor import reason_in

    reason = reason_in(program.log) or "no message"
    sentence = f"{program.name} ended with status {program.last_exit}: {reason}"
    if told.get(program.name) == sentence:
        return
    told[program.name] = sentence
    output.say(f"[yellow]{output.literal(sentence)}[/yellow]")
    output.say(f"Restarting {program.name} until it runs. Log: {output.literal(program.log)}")


def _tell_what_runs(
    settings: Settings, ours: dict[str, str], supervisor: Supervisor, folder: Path, *, as_json: bool
) -> None:
    from entitlements.wiring.processes import PROCESSES

    if as_json:
        servers = {"kafka": settings.kafka, "postgres": settings.postgres}
        servers |= {name.lower(): url for name, url in ours.items()}
        output.line_of_json(servers | {"data": str(folder), "pid": os.getpid(), "processes": supervisor.pids()})
        return
    output.facts({"Kafka": settings.kafka, "Postgres": settings.postgres, **ours, "Data": folder}, title="Ready")
    output.table(
        ("Process", ">Id", "~Description", "Log"),
        [
            (program.name, str(program.pid), PROCESSES[program.name], program.log.name)
            for program in supervisor.programs
        ],
    )
    output.say(
        f"Logs are in {folder / 'logs'}. Try `entitlements --help` in a second terminal. Ctrl-C stops everything."
    )
    _tell_how_to_query(settings)


def _tell_how_to_query(settings: Settings) -> None:
    """The Postgres that we started, for psql and pg_dump of its own version. Whoever named one knows how."""
    from entitlements.wiring.addresses import variable

    if variable("postgres") in os.environ:
        return
    from entitlements.local.postgres import program

    output.say("For psql and pg_dump, which come with it:")
    output.plain(f'  export {variable("postgres")}={settings.postgres} PATH="{program("psql").parent}:$PATH"\n')


def topics(as_json: AsJson = False, data: Data = FOLDER) -> None:
    """Create missing topics and validate existing ones."""
    from entitlements.ledger.topics import TOPICS
    from entitlements.wiring.preparing import prepare_topics

    with session(data) as opened:
        opened.require_kafka()
        settings = opened.settings
    created = prepare_topics(settings)
    shown = [
        {
            "topic": settings.topic(topic.name),
            "partitions": settings.partitions if topic.keyed else 1,
            "kept": _kept(topic.retention_ms, compacted=topic.compacted),
            "content": topic.content,
            "created": settings.topic(topic.name) in created,
        }
        for topic in TOPICS
    ]
    if as_json:
        output.document({"kafka": settings.kafka, "topics": shown})
        return
    columns = ("Topic", ">Partitions", "Kept", "~Content", "")
    rows = [
        (row["topic"], row["partitions"], row["kept"], row["content"], "new" if row["created"] else "") for row in shown
    ]
    output.table(columns, rows, title=f"Topics at {settings.kafka}")


def _kept(retention_ms: int, *, compacted: bool) -> str:
    if compacted:
        return "latest per key"
    if retention_ms < 0:
        return "forever"
    hours = retention_ms // 3_600_000
    return f"{hours // 24} days" if hours >= 24 else f"{hours} h"


def migrate(as_json: AsJson = False, data: Data = FOLDER) -> None:
    """Create or upgrade the tables in Postgres. Does nothing if they are current."""
    from entitlements.wiring.preparing import prepare_reporting, prepare_tables

    with session(data) as opened:
        _ = opened.database
        opened.require_postgres()
        applied = prepare_tables(opened.settings)
        left = prepare_reporting(opened.settings)
        where = address_of_postgres(opened.settings.postgres)
    if as_json:
        output.document({"postgres": where, "applied": applied, "left_to_do": left})
        return
    if applied:
        output.say(f"Applied to {where}: {', '.join(applied)}.")
    else:
        output.say(f"The tables at {where} are up to date.")
    for sentence in left:
        output.say(sentence)


@read_models.command(
    "rebuild", epilog=example("entitlements read-models rebuild", "entitlements read-models rebuild --compare-only")
)
def rebuild(
    compare_only: Annotated[bool, typer.Option("--compare-only", help="Compare only; keep the live tables.")] = False,
    as_json: AsJson = False,
    data: Data = FOLDER,
) -> None:
    """Rebuild every table from the ledger, compare it with the live one row by row, then swap it in.

    With --compare-only the exit status is 1 if a row differs, or if the live tables do not reach the end of the ledger within
    10 seconds. Projectors can keep running.
    """
    from entitlements_projections.rebuild import rebuild as rebuild_tables

    with session(data) as opened:
        opened.require_kafka()
        _ = opened.database
        with output.progress("Rebuilding the read models") as progress:
            report = rebuild_tables(opened.settings, progress=progress, compare_only=compare_only)
    if as_json:
        output.document(
            {
                "equal": report.equal,
                "swapped": report.swapped,
                "seconds": round(report.seconds, 2),
                "behind": [vars(each) for each in report.behind],
                "tables": [vars(table) for table in report.tables],
            }
        )
    else:
        _show(report)
    if compare_only and not report.equal:
        raise typer.Exit(1)


def _show(report: Report) -> None:
    output.table(
        ("Table", ">Rows", ">Only live", ">Only rebuilt"),
        [(table.table, table.rows, table.only_live, table.only_rebuilt) for table in report.tables],
    )
    for each in report.behind:
        output.say(
            f"[red]Partition {each.partition}: compared up to frame {each.compared} of {each.frames}[/red]: "
            f"the live tables have {each.compared} of {each.frames} frames."
        )
    if not report.rows_match:
        verdict = "[red]Rows differ.[/red]"
    elif report.behind:
        verdict = "[red]The live tables are incomplete.[/red] The rows they have match."
        verdict += "" if report.swapped else " Is the projector running?"
    else:
        verdict = "[green]All rows match.[/green]"
    output.say(verdict + (" The new tables are live." if report.swapped else ""))
