"""Who descends from whom, for sets that extend sets and keys that inherit from keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from entitlements.domain.errors import InheritanceCycle, InheritanceIsTooDeep

#: Bounds of one lineage, so that nobody has to resolve what nobody can follow.
GENERATIONS_MAX: Final = 16
ANCESTORS_MAX: Final = 100


def lineage(start: str, parents_of: Callable[[str], Iterable[str]]) -> list[str]:
    """`start`, last, and before it all it descends from: each once, after its own parents, else in the order listed.

    Raises InheritanceCycle, naming the path, and InheritanceIsTooDeep. What `parents_of` raises goes through.
    """
    generations: dict[str, int] = {}

    def visit(name: str, path: tuple[str, ...]) -> int:
        if name in path:
            raise InheritanceCycle(" -> ".join([*path[path.index(name) :], name]))
        if name not in generations:
            if len(path) > ANCESTORS_MAX:
                raise InheritanceIsTooDeep(start)
            above = [visit(parent, (*path, name)) for parent in parents_of(name)]
            generations[name] = 1 + max(above, default=0)
        return generations[name]

    if visit(start, ()) > GENERATIONS_MAX + 1 or len(generations) > ANCESTORS_MAX + 1:
        raise InheritanceIsTooDeep(start)
    return list(generations)
