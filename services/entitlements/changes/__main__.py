"""`python -m entitlements.changes`: one worker, set up by `ENTITLEMENTS_*` variables, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import sys

from entitlements.changes.app import SESSION_FOR, run
from entitlements.settings import Settings

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m entitlements.changes", description=__doc__)
    parser.add_argument(
        "--session-for",
        type=float,
        default=SESSION_FOR,
        metavar="SECONDS",
        help="without a heartbeat for so long others get our partitions (default: %(default)s)",
    )
    sys.exit(run(Settings(), session_for=parser.parse_args().session_for))
