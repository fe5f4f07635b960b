"""The command `entitlements`: parse, ask, render. Rules live elsewhere.

app         the commands and their groups, put together
options     options that many commands share
values      what people type, checked at the edge
session     one command's connections: send and wait for the outcome, then for the read models
failures    every expected error as "code: sentence" and what to do, and an exit status
output      tables for people, or one JSON document; layout makes them fit
showing     a pool with all that is said of it
dashboard   what a customer has: Entitlement, Current, Quota, Status

catalogue   key define · set define, show, example
pools       pool open, show, suspend, resume, close
provisions  provision add, suspend, resume, end
grants      grant issue, revoke
workspaces  assign · unassign · usage
checking    check
metering    use · release
importing   import usage
tailing     changes tail
sending     send; explaining says what its commands take
operating   up · topics · migrate · project rebuild · engine, publisher, projector, changes, registry
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
