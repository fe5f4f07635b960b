"""The scripted service is a module beside the tests: each test file is imported by itself."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from scripted import Script, ScriptedService


@pytest.fixture
def serve() -> Iterator[Callable[[Script], ScriptedService]]:
    """Start a server that answers by a script."""
    with ExitStack() as stack:
        yield lambda script: stack.enter_context(closing(ScriptedService(script)))
