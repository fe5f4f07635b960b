"""The specifications and the generated histories are told in words of their own: modules beside the tests."""

import sys
from pathlib import Path

# Tests are imported by importlib, which puts no folder on the path.
sys.path.insert(0, str(Path(__file__).parent))
