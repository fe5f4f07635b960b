"""The commands and their groups, put together. Each group's file imports what is heavy inside its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from entitlements.cli import (
    access_policies,
    api_keys,
    catalogue,
    checking,
    customers,
    definition_lists,
    demo,
    grants,
    importing,
    keys,
    ladders,
    lists,
    metering,
    operating,
    organizations,
    output,
    pools,
    processes,
    progress,
    provisions,
    scenarios,
    sending,
    tailing,
)
from entitlements.cli.options import group, prose

_HELP = """
Entitlements: what each customer may use, how much, and why.

A [bold]resource pool[/bold] holds what was bought or granted. [bold]Provisions[/bold] (subscriptions, purchases) and grants
add [bold]entitlement sets[/bold] (plans) to it. [bold]Customers[/bold] assigned to the pool use it.

[bold]First steps[/bold]

  $ entitlements demo    # a complete run on real servers, in half a minute
  $ entitlements up      # Kafka, Postgres and all processes, until Ctrl-C

Then, in a second terminal in the same directory:

  $ entitlements set example pro > pro.yaml
  $ entitlements set define pro.yaml
  $ entitlements pool open acme-api --organization acme-inc
  $ entitlements provision add acme-api pro
  $ entitlements assign acme-api ws-1
  $ entitlements usage record api_calls 3 --customer ws-1
  $ entitlements customer show ws-1

Exit status: 0 done, 1 refused or failed, 2 usage error.
"""

#: They add commands to the groups of others.
_ADDING = (definition_lists, importing, lists, organizations)

app = group(_HELP)
app.info.context_settings = {"help_option_names": ["-h", "--help"]}


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        output.plain(f"entitlements {version('entitlements')}\n")
        raise typer.Exit


@app.callback()
def entitlements(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Options of the command itself."""


_START, _DEFINE, _USE, _OPERATE = "Start here", "Define and connect", "Use and query", "Operate"

app.command("demo", rich_help_panel=_START, epilog=demo.EXAMPLE)(demo.demo)
app.command("up", rich_help_panel=_START, epilog=operating.UP_EXAMPLE)(operating.up)

app.add_typer(keys.keys, name="key", rich_help_panel=_DEFINE)
app.add_typer(catalogue.sets, name="set", rich_help_panel=_DEFINE)
app.add_typer(ladders.ladders, name="ladder", rich_help_panel=_DEFINE)
app.add_typer(pools.pools, name="pool", rich_help_panel=_DEFINE)
app.add_typer(provisions.provisions, name="provision", rich_help_panel=_DEFINE)
app.add_typer(grants.grants, name="grant", rich_help_panel=_DEFINE)
app.add_typer(access_policies.access_policies, name="policy", rich_help_panel=_DEFINE)
app.add_typer(api_keys.api_keys, name="api-key", rich_help_panel=_DEFINE)
app.add_typer(customers.customers, name="customer", rich_help_panel=_DEFINE)
app.add_typer(organizations.units, name="unit", rich_help_panel=_DEFINE)
app.add_typer(organizations.members, name="member", rich_help_panel=_DEFINE)
app.add_typer(organizations.campaigns, name="campaign", rich_help_panel=_DEFINE)
app.command("assign", rich_help_panel=_DEFINE, epilog=customers.ASSIGN_EXAMPLE)(customers.assign)
app.command("send", rich_help_panel=_DEFINE, epilog=sending.EXAMPLE, add_help_option=False)(sending.send)
app.command("unassign", rich_help_panel=_DEFINE, epilog=customers.UNASSIGN_EXAMPLE)(customers.unassign)

app.command("check", rich_help_panel=_USE, epilog=checking.EXAMPLE)(checking.check)
app.add_typer(metering.usages, name="usage", rich_help_panel=_USE)
app.add_typer(tailing.changes, name="changes", rich_help_panel=_USE)

app.add_typer(scenarios.scenarios, name="scenario", rich_help_panel=_USE)

app.command("progress", rich_help_panel=_OPERATE, epilog=progress.EXAMPLE)(progress.progress)
app.command("topics", rich_help_panel=_OPERATE, epilog=operating.TOPICS_EXAMPLE)(operating.topics)
app.command("migrate", rich_help_panel=_OPERATE, epilog=operating.MIGRATE_EXAMPLE)(operating.migrate)
app.add_typer(operating.read_models, name="read-models", rich_help_panel=_OPERATE)
app.add_typer(processes.processes, name="run", rich_help_panel=_OPERATE)


def _fold_helps(typer_app: typer.Typer) -> None:
    """Docstrings are written to the width of the code; their help is read at any width."""
    for command in typer_app.registered_commands:
        if command.help is None and command.callback is not None:
            command.help = prose(command.callback.__doc__ or "")
    for inner in typer_app.registered_groups:
        if inner.typer_instance is not None:
            _fold_helps(inner.typer_instance)


_fold_helps(app)
