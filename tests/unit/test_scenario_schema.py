"""The JSON Schema of scenario files takes what the reader takes, and no misspelling: an editor that follows it is right."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from entitlements.cli.running import run as cli
from entitlements.scenarios import reading

#: What the small checker below understands of JSON Schema; the rest is for people.
CHECKED = {
    "$ref", "anyOf", "allOf", "const", "enum", "type", "properties", "additionalProperties", "propertyNames", "required", "items",
    "minProperties", "maxProperties",
}  # fmt: skip
FOR_PEOPLE = {"$schema", "$defs", "title", "description", "default"}
TYPES = {
    "object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None),
}  # fmt: skip


def fits(value: Any, schema: Any, root: dict[str, Any]) -> bool:
    """Whether a value fits a schema, as far as CHECKED goes."""
    if isinstance(schema, bool):
        return schema
    if "$ref" in schema:
        schema = schema | root["$defs"][schema["$ref"].rpartition("/")[2]]
    return all(check(value, schema, root) for check in CHECKS)


def _type(value: Any, schema: Any, root: Any) -> bool:
    kind = schema.get("type")
    is_true = isinstance(value, bool)
    return kind is None or (isinstance(value, TYPES[kind]) and (kind == "boolean") >= is_true)


def _choice(value: Any, schema: Any, root: Any) -> bool:
    return value in schema.get("enum", [value]) and value == schema.get("const", value)


def _combined(value: Any, schema: Any, root: Any) -> bool:
    any_of = schema.get("anyOf", [True])
    return all(fits(value, part, root) for part in schema.get("allOf", [])) and any(
        fits(value, part, root) for part in any_of
    )


def _list(value: Any, schema: Any, root: Any) -> bool:
    return not isinstance(value, list) or all(fits(part, schema.get("items", True), root) for part in value)


def _object(value: Any, schema: Any, root: Any) -> bool:
    if not isinstance(value, dict):
        return True
    named, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    return (
        schema.get("minProperties", 0) <= len(value) <= schema.get("maxProperties", len(value))
        and value.keys() >= set(schema.get("required", []))
        and all(fits(name, schema.get("propertyNames", True), root) for name in value)
        and all(fits(part, named.get(name, others), root) for name, part in value.items())
    )


CHECKS: list[Callable[[Any, Any, Any], bool]] = [_type, _choice, _combined, _list, _object]


def keywords(schema: Any) -> set[str]:
    """Every keyword of a schema; the names of properties and definitions are none."""
    if isinstance(schema, list):
        return {word for part in schema for word in keywords(part)}
    if not isinstance(schema, dict):
        return set()
    found = set(schema)
    for word, part in schema.items():
        if word in {"properties", "$defs"}:
            found |= {inner for each in part.values() for inner in keywords(each)}
        elif word not in {"default", "enum", "const"}:
            found |= keywords(part)
    return found


def read_as_editors_do(text: str) -> Any:
    """YAML whose instants stay text, as they do in JSON."""
    return json.loads(json.dumps(yaml.safe_load(text), default=str))


def test_the_schema_takes_every_shipped_scenario_and_no_misspelling(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli(["scenario", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert keywords(schema) <= CHECKED | FOR_PEOPLE
    for path in reading.find([]):
        assert fits(read_as_editors_do(path.read_text()), schema, schema), path
    for wrong in (
        "timeline: [{do: {EndProvison: {provision: a}}}]",
        "timeline: [{do: {EndProvision: {provison: a}}}]",
        "timeline: [{do: {EndProvision: {}}}]",
        "timeline: [{do: {ClosePool: {}, SuspendPool: {}}}]",
        "timeline: [{use: {quantity: 1}}]",
        "timeline: [{expect: {events: [UsageRecordet]}}]",
        "timeline: [{expect: {keys: {k: {limits: 1}}}}]",
        "name: nothing happens",
    ):
        assert not fits(read_as_editors_do(wrong), schema, schema), wrong
