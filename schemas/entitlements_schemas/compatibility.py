"""May a reader with the new schema read what was written with the old one? Avro 1.11, "Schema Resolution".

Stricter than Avro in three points. Bytes are not read as text: not all of them are. An instant stays an instant: Avro
itself would read it as any number. And a new instant's default is null: fastavro gives any other default back as the
bare number that the schema holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: What a writer's primitive may be read as, beside itself.
_WIDER: Final = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
}
_PRIMITIVES: Final = frozenset(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
_NAMED: Final = frozenset(("record", "enum", "fixed"))

_Types = dict[str, dict[str, Any]]


def why_unreadable(*, written: Any, wanted: Any) -> list[str]:
    """The reasons why a reader with `wanted` cannot read `written`, as sentences with the field's path; empty: it can.

    Both are self-contained definitions as in an .avsc.
    """
    return _Comparison(_named_types(written), _named_types(wanted)).compare(
        _resolved(written, ""), _resolved(wanted, ""), path=""
    )


def _named_types(definition: Any) -> _Types:
    found: _Types = {}
    _collect(definition, "", found)
    return found


def _collect(node: Any, namespace: str, found: _Types) -> None:
    """Note every named type under its full name, with all names inside it spelled out in place."""
    if isinstance(node, list):
        for branch in node:
            _collect(branch, namespace, found)
    elif isinstance(node, dict):
        if node["type"] in _NAMED:
            spelled = _resolved(node, namespace)
            found[spelled["name"]] = spelled
            namespace = spelled["name"].rpartition(".")[0]
            for field in node.get("fields", ()):
                _collect(field["type"], namespace, found)
        for part in ("items", "values", "type"):
            _collect(node.get(part), namespace, found)


def _resolved(node: Any, namespace: str) -> Any:
    """A copy of node in which every name is a full name and every named type below the top is only its name."""
    if isinstance(node, str):
        return node if node in _PRIMITIVES or "." in node or not namespace else f"{namespace}.{node}"
    if isinstance(node, list):
        return [_reference(branch, namespace) for branch in node]
    if node["type"] in _NAMED:
        name = node["name"]
        if "." not in name and (node.get("namespace") or namespace):
            name = f"{node.get('namespace') or namespace}.{name}"
        inside = name.rpartition(".")[0]
        made = {**node, "name": name}
        if "fields" in node:
            made["fields"] = [{**field, "type": _reference(field["type"], inside)} for field in node["fields"]]
        return made
    made = dict(node)
    for part in ("items", "values"):
        if part in node:
            made[part] = _reference(node[part], namespace)
    return made


def _reference(node: Any, namespace: str) -> Any:
    resolved = _resolved(node, namespace)
    return resolved["name"] if isinstance(resolved, dict) and resolved["type"] in _NAMED else resolved


class _Comparison:
    """Walks two definitions side by side; every pair of records once, so that recursive types end."""

    def __init__(self, written: _Types, wanted: _Types, seen: Iterable[tuple[str, str]] = ()) -> None:
        self._written = written
        self._wanted = wanted
        self._seen = set(seen)

    def compare(self, written: Any, wanted: Any, *, path: str) -> list[str]:
        if isinstance(written, str):
            written = self._written.get(written, written)
        if isinstance(wanted, str):
            wanted = self._wanted.get(wanted, wanted)
        if isinstance(written, list):
            return [problem for branch in written for problem in self.compare(branch, wanted, path=path)]
        if isinstance(wanted, list):
            return self._one_branch(written, wanted, path)
        if _kind(written) == _kind(wanted) and _logical(written) == _logical(wanted):
            return self._same_kind(written, wanted, path)
        if _kind(wanted) in _WIDER.get(_kind(written), ()) and not (_logical(written) or _logical(wanted)):
            return []
        return [f"{path}: {_label(written)} is read as {_label(wanted)}"]

    def _one_branch(self, written: Any, wanted: list[Any], path: str) -> list[str]:
        for branch in wanted:
            # A branch that fails must not count as seen for the next one.
            attempt = _Comparison(self._written, self._wanted, self._seen)
            if not attempt.compare(written, branch, path=path):
                return []
        return [f"{path}: no branch of the union reads {_label(written)}"]

    def _same_kind(self, written: Any, wanted: Any, path: str) -> list[str]:
        kind = _kind(written)
        if kind == "array":
            return self.compare(written["items"], wanted["items"], path=f"{path}[]")
        if kind == "map":
            return self.compare(written["values"], wanted["values"], path=f"{path}{{}}")
        if kind in _NAMED and written["name"] not in (wanted["name"], *_aliases(wanted)):
            return [f"{path}: {written['name']} is read as {wanted['name']}"]
        return self._records(written, wanted, path) if kind == "record" else self._values(kind, written, wanted, path)

    @staticmethod
    def _values(kind: str, written: Any, wanted: Any, path: str) -> list[str]:
        missing = sorted(set(written["symbols"]) - set(wanted["symbols"])) if kind == "enum" else []
        if missing and "default" not in wanted:
            return [f"{path}: {wanted['name']} lacks {', '.join(missing)} and has no default"]
        if kind == "fixed" and written["size"] != wanted["size"]:
            return [f"{path}: {wanted['name']} changed its size"]
        return []

    def _records(self, written: Any, wanted: Any, path: str) -> list[str]:
        pair = (written["name"], wanted["name"])
        if pair in self._seen:
            return []
        self._seen.add(pair)
        old = {field["name"]: field for field in written["fields"]}
        problems: list[str] = []
        for field in wanted["fields"]:
            where = f"{path}.{field['name']}" if path else field["name"]
            source = next((old[name] for name in (field["name"], *field.get("aliases", ())) if name in old), None)
            if source is not None:
                problems += self.compare(source["type"], field["type"], path=where)
            elif "default" not in field:
                problems.append(f"{where}: is new and has no default")
            elif _logical(field["type"]):
                problems.append(f"{where}: is new and has a logical type; make it a union with null")
        return problems


def _kind(node: Any) -> str:
    return node if isinstance(node, str) else str(node["type"])


def _logical(node: Any) -> str | None:
    return node.get("logicalType") if isinstance(node, dict) else None


def _label(node: Any) -> str:
    if isinstance(node, str):
        return node
    return str(node.get("name") or node.get("logicalType") or node["type"])


def _aliases(node: Any) -> list[str]:
    namespace = node["name"].rpartition(".")[0]
    return [alias if "." in alias else f"{namespace}.{alias}" for alias in node.get("aliases", ())]
