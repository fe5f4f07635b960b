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

running     runs one command line: errors become a sentence and an exit status
steps       the five steps of a decision, for people
granting    features that grant others, and constraints, in an answer

catalogue   set define, show, example
keys        key define, show
ladders     ladder define, show, list
access_policies  policy define, test, list, retire
api_keys    api-key create, list, revoke
scenarios, previewing  scenario run, list, show, schema, preview
sending     send
explaining  what the commands of send take
progress    progress
pools       pool open, show, suspend, resume, close
provisions  provision add, suspend, resume, end
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

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and exit: 0 done, 1 refused or failed, 2 usage error, 130 interrupted."""
    from entitlements.cli.running import run

    sys.exit(run(sys.argv[1:] if arguments is None else list(arguments)))
