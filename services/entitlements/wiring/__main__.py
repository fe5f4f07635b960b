"""`python -m entitlements.wiring NAME`: one process, set up by `ENTITLEMENTS_*` variables; what the supervisor starts."""

import os
import signal
import sys
from typing import Any, NoReturn


def _stopped(*_: Any) -> NoReturn:
    """Told to stop before anything began: while modules are imported."""
    os.write(2, b"Stopped.\n")
    os._exit(0)


def _main() -> NoReturn:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stopped)
    from entitlements.settings import Settings
    from entitlements.wiring.processes import PROCESSES, end_with, run_process

    if len(sys.argv) != 2 or sys.argv[1] not in PROCESSES:
        sys.exit(f"usage: python -m entitlements.wiring {{{','.join(PROCESSES)}}}")
    end_with(run_process(sys.argv[1], Settings))


if __name__ == "__main__":
    _main()
