"""How much the tests that draw their cases draw: seconds' worth in CI, hours' worth with HYPOTHESIS_PROFILE=nightly."""

import os
from typing import Final

NIGHTLY: Final = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"


def examples(number: int) -> int:
    """So many cases, a hundred times as many at night."""
    return number * 100 if NIGHTLY else number
