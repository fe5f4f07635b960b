"""`entitlements run NAME`: one command for each process of an installation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from entitlements.cli.options import FOLDER, Data, example, group

_DOES: Final = {
    "engine": "Decide commands and write the ledger. Several engines share the partitions.",
    "publisher": "Publish the ledger's events to entitlements.events and entitlements.usage.",
    "projector": "Keep the read models in Postgres up to date.",
    "changes": "Publish the changes of each customer to entitlements.changes (a Faust worker).",
    "reconciler": "Roll out new set versions, campaign grants and unit assignments to pools.",
    "access-log": "Write the access log to Postgres and delete entries past their retention.",
    "api": "Serve the HTTP API.",
    "registry": "Serve the Avro schemas over the read-only Confluent Schema Registry API.",
}

processes = group("Run one process in the foreground, until SIGTERM or Ctrl-C. Logs go to standard error.")


def _command(name: str) -> Callable[..., None]:
    def run(data: Data = FOLDER) -> None:
        from entitlements.wiring.addresses import settings_at
        from entitlements.wiring.processes import end_with, run_process

        end_with(run_process(name, lambda: settings_at(data)))

    run.__doc__ = f"{_DOES[name]}\n\nRuns in the foreground until SIGTERM or Ctrl-C. Logs go to standard error."
    return run


for _name in _DOES:
    processes.command(_name, epilog=example(f"ENTITLEMENTS_KAFKA=broker:9092 entitlements run {_name}"))(
        _command(_name)
    )
