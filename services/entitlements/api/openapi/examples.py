"""An example of every request body, made of its schema: what is required and says most. The page /docs begins with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

#: Told where a schema has them, though they may be left out.
_ALSO: Final = frozenset({"customer_id", "subject", "data"})
_NAMED: Final = {
    "customer_id": "ws-1",
    "workspace_id": "ws-1",
    "resource_key": "api_calls",
    "set_id": "pro",
    "ladder": "plans",
    "secret_sha256": "0" * 64,
    "key_id": "3kTfq09sXa2B",
    "name": "Pro",
    "reason": "Requested by the customer.",
    "reason_code": "allowed",
    "document": '{"effect":"ALLOW","policy_id":"policy-1","resource_keys":["sso"]}',
}
_AT: Final = "2030-01-01T00:00:00Z"
#: How deep values are told that hold others.
_DEPTH_MAX: Final = 6


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any], name: str = "", depth: int = 0) -> Any:
    """A value of a schema. name: the field's, after which ids are called."""
    told = schema.get("examples")
    while "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    if told or "examples" in schema:
        return (told or schema["examples"])[0]
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        return example_of(choices[0], schemas, name, depth)
    kind = schema.get("type")
    if kind == "object":
        return _object(schema, schemas, depth) if depth < _DEPTH_MAX else {}
    if kind == "array":
        return [example_of(schema["items"], schemas, name.removesuffix("s"), depth + 1)]
    return _plain(schema, name)


def _plain(schema: Mapping[str, Any], name: str) -> Any:
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema.get("format") == "date-time":
        return _AT
    text = _NAMED.get(name) or f"{name.removesuffix('_id').replace('_', '-')}-1"
    values = {"string": text, "integer": max(1, schema.get("minimum", 1)), "boolean": True}
    return values.get(str(schema.get("type")))


def _object(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    wanted = {*schema.get("required", ()), *(_ALSO & properties.keys())} or set(list(properties)[:1])
    return {name: example_of(of, schemas, name, depth + 1) for name, of in properties.items() if name in wanted}
