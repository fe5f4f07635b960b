"""Finds a type among the .avsc files and makes its text self-contained.

A file names the types of other files by full name. Avro knows no files, so before anyone parses a type the types it
needs are set in at their first use; every later use stays a name. One look-up is then all that a consumer needs.
"""

from __future__ import annotations

import copy
import json
from functools import cache
from importlib.resources import files
from typing import Any, Final

import fastavro

#: The folders of .avsc files, in the order in which they are listed.
FOLDERS: Final = ("entities", "commands", "events", "ledger", "outcomes", "changes", "access")
NAMESPACE: Final = "entitlements"
#: What the full names of events and of changes begin with.
EVENT_PREFIX: Final = f"{NAMESPACE}.events."
CHANGE_PREFIX: Final = f"{NAMESPACE}.changes."

_PRIMITIVES: Final = frozenset(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
_NAMED: Final = frozenset(("record", "enum", "fixed"))


class SchemaError(Exception):
    """Invalid schema."""


@cache
def sources() -> dict[str, dict[str, Any]]:
    """Every type that has a file, by full name, as written there. Treat it as read-only.

    Raises SchemaError when a file's name and folder differ from the full name of its type.
    """
    found: dict[str, dict[str, Any]] = {}
    for folder in FOLDERS:
        for file in sorted(files(__package__).joinpath(folder).iterdir(), key=lambda file: file.name):
            if file.name.endswith(".avsc"):
                source = json.loads(file.read_text(encoding="utf-8"))
                full_name = f"{NAMESPACE}.{folder}.{file.name.removesuffix('.avsc')}"
                if f"{source.get('namespace')}.{source.get('name')}" != full_name:
                    raise SchemaError(f"{folder}/{file.name} does not define {full_name}.")
                found[full_name] = source
    return found


def names(folder: str | None = None) -> list[str]:
    """The full names of the records in one folder, or in all of them; sorted within their folder."""
    return [
        name
        for name, source in sources().items()
        if source["type"] == "record" and folder in (None, name.split(".")[1])
    ]


@cache
def _text(full_name: str) -> dict[str, Any]:
    if full_name not in sources():
        raise SchemaError(f"No file defines {full_name}.")
    return _definition(sources()[full_name], NAMESPACE, set(), where=full_name)


def text(full_name: str) -> dict[str, Any]:
    """The self-contained definition of one type, a copy of your own. Raises SchemaError for an unknown name."""
    return copy.deepcopy(_text(full_name))


def _set_in(node: Any, namespace: str, defined: set[str], *, where: str) -> Any:
    """A copy of node in which the first use of every type is its definition and every later use its full name."""
    if isinstance(node, str):
        if node in _PRIMITIVES:
            return node
        full_name = node if "." in node else f"{namespace}.{node}"
        if full_name in defined:
            return full_name
        if full_name not in sources():
            raise SchemaError(f"{where} refers to {full_name}, which no file defines.")
        return _definition(sources()[full_name], NAMESPACE, defined, where=full_name)
    if isinstance(node, list):
        return [_set_in(branch, namespace, defined, where=where) for branch in node]
    if node["type"] in _NAMED:
        return _definition(node, namespace, defined, where=where)
    made = dict(node)
    for part in ("items", "values"):
        if part in node:
            made[part] = _set_in(node[part], namespace, defined, where=where)
    return made


def _definition(node: dict[str, Any], namespace: str, defined: set[str], *, where: str) -> dict[str, Any]:
    """As _set_in, for the definition of a named type."""
    namespace = node.get("namespace", namespace)
    full_name = f"{namespace}.{node['name']}"
    if full_name in defined:
        raise SchemaError(f"{where} defines {full_name} a second time; give it a file of its own.")
    defined.add(full_name)
    made = dict(node)
    if "fields" in node:
        made["fields"] = [
            {**field, "type": _set_in(field["type"], namespace, defined, where=where)} for field in node["fields"]
        ]
    return made


def without(node: Any, *attributes: str) -> Any:
    """A copy of a schema without some attributes of its types and fields, such as `doc` or `logicalType`."""
    if isinstance(node, dict):
        return {key: _kept(key, value, attributes) for key, value in node.items() if key not in attributes}
    if isinstance(node, list):
        return [without(item, *attributes) for item in node]
    return node


def _kept(key: str, value: Any, attributes: tuple[str, ...]) -> Any:
    # A default is data: an attribute's name in it is a field's name there.
    return value if key == "default" else without(value, *attributes)


@cache
def schema(full_name: str) -> Any:
    """The type as fastavro wants it, instants as aware UTC datetimes. Raises SchemaError for an unknown name."""
    return fastavro.parse_schema(text(full_name))


@cache
def plain_schema(full_name: str) -> Any:
    """The same bytes without logical types: instants are integers, milliseconds since 1970 (UTC). For hot paths."""
    return fastavro.parse_schema(without(text(full_name), "logicalType"))
