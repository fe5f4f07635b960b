"""Simulations are told in the words of the specifications: modules of tests/unit/domain."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "domain"))
