"""Keys that inherit from keys: whoever holds a feature is granted those it inherits from, and those they inherit from. Pure.

Only features grant and are granted: what somebody has of a number says nothing about another number. Whether a grant holds against what
is said of the parent itself is the child's policy:

always_allow   it does, whatever is said
child_wins     it does against a rule that denies the parent, but not against an administrator's override
parent_wins    what is said of the parent itself decides; only of what nothing is said the child grants it
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, TypeAlias

from entitlements.domain.key_terms import constraint_against
from entitlements.domain.lineage import lineage
from entitlements.domain.values import Constraints, DataType, OverridePolicy


@dataclass(frozen=True, kw_only=True)
class KeyNode:
    """A key among others. data_type None: nobody has defined it yet, and it is taken for a feature."""

    data_type: DataType | None = "boolean"
    inherits_from: list[str] = field(default_factory=list)
    override_policy: OverridePolicy = "parent_wins"
    constraints: Constraints | None = None


KeyGraph: TypeAlias = Mapping[str, KeyNode]


@dataclass(frozen=True, kw_only=True)
class Said:
    """What is said of one key itself, for one pool or workspace: by rules, by a rule that denies it, by an override."""

    held: bool = False
    denied: bool = False
    overridden: bool | None = None
    #: A suspended provision would confer it.
    suspended: bool = False

    @property
    def decision(self) -> bool | None:
        """Whether it is had by what is said of it alone; None: nothing is said."""
        if self.overridden is not None:
            return self.overridden
        return False if self.denied else self.held or None


@dataclass(frozen=True, kw_only=True)
class KeyAnswer:
    """May it be used, and why. reason_code: held, inherited, overridden, denied, provision_suspended, not_entitled, or what constrains it."""

    allowed: bool
    reason_code: str
    #: From the key that is held to the one asked for; empty: it is held itself, or not granted.
    path: tuple[str, ...] = ()
    policy: OverridePolicy | None = None


NOTHING_SAID: Final = Said()


def allowed(key: str, said: Mapping[str, Said], graph: KeyGraph, *, country: str | None, at: datetime) -> KeyAnswer:
    """Whether a key may be used in a country (ISO 3166; None: unknown) at an instant.

    A key that may not be used there and then grants nothing either.
    """

    def constrained(name: str) -> str | None:
        return constraint_against(_node(graph, name).constraints, country, at)

    open_nodes = {name: replace(node, inherits_from=[]) if constrained(name) else node for name, node in graph.items()}
    answer = granted(said, open_nodes).get(key)
    if answer is not None and constrained(key) is None:
        return answer
    otherwise = granted(said, graph).get(key)
    if otherwise is not None:
        path = otherwise.path or (key,)
        code = next(code for name in path if (code := constrained(name)) is not None)
        return KeyAnswer(allowed=False, reason_code=code, path=otherwise.path)
    own = said.get(key, NOTHING_SAID)
    code = "overridden" if own.overridden is not None else "denied" if own.denied else "not_entitled"
    if key in granted_but_for_suspensions(said, graph):
        code = "provision_suspended"
    return KeyAnswer(allowed=False, reason_code=code)


def granted(said: Mapping[str, Said], graph: KeyGraph) -> dict[str, KeyAnswer]:
    """Every key that is had, and why: those that are held themselves, then by the shortest path those they grant."""
    found = {name: KeyAnswer(allowed=True, reason_code="held") for name in sorted(said) if said[name].decision is True}
    left = list(found)
    for child in left:  # It grows while it is read; no key enters it twice.
        node = _node(graph, child)
        for parent in node.inherits_from:
            if parent in found or not _is_granted(node, _node(graph, parent), said.get(parent, NOTHING_SAID)):
                continue
            path = (*(found[child].path or (child,)), parent)
            found[parent] = KeyAnswer(allowed=True, reason_code="inherited", path=path, policy=node.override_policy)
            left.append(parent)
    return found


def granted_but_for_suspensions(said: Mapping[str, Said], graph: KeyGraph) -> dict[str, KeyAnswer]:
    """Every key that would be had if all that is suspended were resumed; what is denied or taken away stays so."""
    return granted({name: replace(one, held=one.held or one.suspended) for name, one in said.items()}, graph)


def _is_granted(child: KeyNode, parent: KeyNode, said: Said) -> bool:
    if "integer" in (child.data_type, parent.data_type):
        return False
    if child.override_policy == "always_allow" or said.decision is None:
        return True
    return child.override_policy == "child_wins" and said.overridden is None


def check_lineage(key: str, inherits_from: Iterable[str], graph: KeyGraph) -> None:
    """A key that inherits from these descends not from itself. Raises InheritanceCycle, naming the path, InheritanceIsTooDeep."""
    own = list(inherits_from)
    lineage(key, lambda name: own if name == key else _node(graph, name).inherits_from)


def _node(graph: KeyGraph, key: str) -> KeyNode:
    return graph.get(key) or KeyNode(data_type=None)
