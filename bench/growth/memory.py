"""How much memory processes take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

#: Pages that several processes share count in parts.
_SHARE: Final = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


def megabytes_of(pid: int) -> float:
    """Memory of a process and all that descend from it, in MB of 10^6 bytes."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    of_children = sum(megabytes_of(int(child)) for file in children for child in file.read_text().split())
    share = _SHARE.search(Path(f"/proc/{pid}/smaps_rollup").read_text())
    assert share is not None, f"process {pid} has ended"
    return int(share[1]) * 1_024 / 1e6 + of_children
