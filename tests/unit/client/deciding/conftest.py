"""Makes asking.py importable to the tests beside it: each test file is imported by itself."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
