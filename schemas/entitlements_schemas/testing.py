"""Generated records for tests. Needs hypothesis, which only development installs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from entitlements_schemas import sources

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS: Final = st.integers(-(2**41), 2**45)  # 1900 to 3084.
_ITEMS_MAX: Final = 3

_VALUES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=40),
    "string": st.text(max_size=12),
}


@cache
def records(full_name: str, *, plain: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """Any record of a schema; plain: instants as milliseconds. In a union of records: (full name, record).

    Made once: tests ask inside each example, and what hypothesis finds out about a strategy takes longer than to draw from it.
    """
    return records_of(sources.text(full_name), plain=plain)


def records_of(definition: Any, *, plain: bool = False) -> st.SearchStrategy[Any]:
    """Any value of a self-contained definition."""
    return _Values(plain=plain).of(definition, "")


class _Values:
    def __init__(self, *, plain: bool) -> None:
        self._plain = plain
        self._named: dict[str, st.SearchStrategy[Any]] = {}

    def of(self, node: Any, namespace: str) -> st.SearchStrategy[Any]:
        if isinstance(node, str):
            return _VALUES[node] if node in _VALUES else self._named[node if "." in node else f"{namespace}.{node}"]
        if isinstance(node, list):
            return self._union(node, namespace)
        if node.get("logicalType") == "timestamp-millis":
            return _MILLISECONDS if self._plain else _MILLISECONDS.map(_instant)
        kinds: dict[str, Callable[[Any, str], st.SearchStrategy[Any]]] = {
            "record": self._record,
            "enum": self._enum,
            "array": self._array,
        }
        return kinds[node["type"]](node, namespace) if node["type"] in kinds else _VALUES[node["type"]]

    def _union(self, node: list[Any], namespace: str) -> st.SearchStrategy[Any]:
        branches = [(_name(branch), self.of(branch, namespace)) for branch in node]
        if sum(1 for name, _ in branches if name) > 1:
            return st.one_of(*(st.tuples(st.just(name), values) if name else values for name, values in branches))
        return st.one_of(*(values for _, values in branches))

    def _record(self, node: dict[str, Any], namespace: str) -> st.SearchStrategy[Any]:
        namespace = node.get("namespace", namespace)
        fields = {field["name"]: self.of(field["type"], namespace) for field in node["fields"]}
        self._named[f"{namespace}.{node['name']}"] = made = st.fixed_dictionaries(fields)
        return made

    def _enum(self, node: dict[str, Any], namespace: str) -> st.SearchStrategy[Any]:
        self._named[f"{node.get('namespace', namespace)}.{node['name']}"] = made = st.sampled_from(node["symbols"])
        return made

    def _array(self, node: dict[str, Any], namespace: str) -> st.SearchStrategy[Any]:
        return st.lists(self.of(node["items"], namespace), max_size=_ITEMS_MAX)


def _instant(milliseconds: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=milliseconds)


def _name(branch: Any) -> str | None:
    """The full name of a named branch of a union; here such a branch has its namespace written out."""
    if isinstance(branch, str):
        return branch if branch not in _VALUES else None
    return f"{branch['namespace']}.{branch['name']}" if "name" in branch else None


#: What an effective value says beside its limits and its period when nothing special was agreed on.
TERMS: Final[dict[str, Any]] = {
    "anchored": False,
    "overage_at_reset": "forgive",
    "grace_for": 0,
    "credit_key": None,
    "credit_rate": 0,
    "credit_per": 1,
    "min_role": "",
    "override_id": "",
}
