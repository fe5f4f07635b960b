"""The command `entitlements`: parse, ask, render. Rules live elsewhere.

app         the commands and their groups, put together
options     options that many commands share
values      what people type, checked at the edge
session     one command's connections: send and wait for the outcome, then for the read models
failures    every expected error as "code: sentence" and what to do, and an exit status
output      tables for people, or one JSON document
layout      makes tables fit
showing     a pool with all that is said of it
dashboard   what a customer has: Entitlement, Current, Quota, Status

streams     standard output and error
running     runs one command line: errors become a sentence and an exit status
steps       the five steps of a decision, for people
granting    features that grant others, and constraints, in an answer

catalogue   set define, show, example
keys        key define, show
ladders     ladder define, show, list
access_policies  policy define, test, list, show, retire
api_keys    api-key create, list, revoke
scenarios, previewing  scenario run, list, show, schema, preview
sending     send
explaining  what the commands of send take
progress    progress
pools       pool open, show, suspend, resume, close
provisions  provision add, suspend, resume, end, cancel, uncancel
grants      grant issue, revoke
customers   assign · unassign · customer show
checking    check
metering    usage record, release
importing   usage import
tailing     changes tail
listing     what every list command has
lists       pool list · provision list · grant list · usage list
organizations  customer list · unit list · member list · campaign list
definition_lists  set list · key list
operating   up · topics · migrate · read-models rebuild
processes   run engine, publisher, projector, changes, reconciler, access-log, api, registry
demo        demo

Nothing heavy is imported before a command needs it: `--help` answers in a quarter of a second.
"""

from __future__ import annotations

# Nothing more: until `main` is called a Ctrl-C is Python's.
import os
import sys

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 refused or failed, 2 usage error, 130 interrupted (`up` and `run`: 0, that is how they end)."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        from entitlements.cli import streams

        streams.stop_at_once(given)
        streams.guard()
        from entitlements.cli.running import run

        status = run(given)
    except KeyboardInterrupt:
        status = interrupted(given)
    sys.exit(status)


def interrupted(arguments: list[str]) -> int:
    """The exit status of a command that is stopped before it has begun anything; `up` and `run` end as at any other time."""
    if arguments[:1] not in (["up"], ["run"]):
        return 130
    if "--json" not in arguments:
        try:  # noqa: SIM105 - contextlib is not imported yet.
            os.write(1 if arguments[0] == "up" else 2, b"Stopped.\n")
        except OSError:
            pass
    return 0
