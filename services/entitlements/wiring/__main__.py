"""`python -m entitlements.wiring NAME`: one process, set up by `ENTITLEMENTS_*` variables; what the supervisor starts."""

import sys

from entitlements.settings import Settings
from entitlements.wiring.processes import PROCESSES, run_process

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PROCESSES:
        sys.exit(f"usage: python -m entitlements.wiring {{{','.join(PROCESSES)}}}")
    sys.exit(run_process(sys.argv[1], Settings()))
