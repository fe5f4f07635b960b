"""How a fault is put back into the domain: by a patch of one function, for as long as a history is decided."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from tests.model.shrinking import failure_of, shrink
from tests.model.telling import History

#: A fault: what is put where. Several places where one rule is asked from several.
Patches = list[tuple[Any, str, Any]]
FAULTS: dict[str, Callable[[], Patches]] = {}


def fault(name: str) -> Callable[[Callable[[], Patches]], Callable[[], Patches]]:
    def note(made: Callable[[], Patches]) -> Callable[[], Patches]:
        FAULTS[name] = made
        return made

    return note


@contextmanager
def put_back(name: str) -> Iterator[None]:
    """The domain with a fault in it."""
    patches = [patch.object(place, attribute, wrong) for place, attribute, wrong in FAULTS[name]()]
    for each in patches:
        each.start()
    try:
        yield
    finally:
        for each in patches:
            each.stop()


def shortest_with(name: str, history: History) -> History:
    """The shortest history that fails with the fault and not without it."""
    return shrink(history, lambda tried: is_found_by(name, tried))


def is_found_by(name: str, history: History) -> bool:
    """Whether a history fails with the fault, and not without it."""
    with put_back(name):
        if failure_of(history) is None:
            return False
    return failure_of(history) is None


def everywhere(name: str, right: Any, wrong: Any) -> Patches:
    """Wherever a function was imported by its name."""
    import sys

    modules = [module for path, module in list(sys.modules.items()) if path.startswith("entitlements.domain")]
    return [(module, name, wrong) for module in modules if getattr(module, name, None) is right]
