"""The OpenAPI document by itself: whatever routes there are, it tells all of them, and everything in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.node.installing import HERE, node, versions

from entitlements.api.app import create
from entitlements.api.listing import CURSOR_CHARACTERS_MAX
from entitlements.api.openapi.headers import IDEMPOTENCY_KEY, PREFER, require_taken, takes
from entitlements.api.problems import Problem

#: What stands for any JSON value, on purpose.
ANY = "#/components/schemas/JsonValue"
METHODS = {"get", "put", "post", "delete", "patch"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    app: Any = create(SimpleNamespace())  # type: ignore[arg-type]
    found: dict[str, Any] = app.openapi()
    assert found is app.openapi(), "it is made once"
    return found


def nodes(found: Any, at: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(found, dict):
        yield at, found
        for name, part in found.items():
            yield from nodes(part, f"{at}/{name.replace('/', '~1')}")
    elif isinstance(found, list):
        for place, part in enumerate(found):
            yield from nodes(part, f"{at}/{place}")


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            assert verb in METHODS
            yield f"{verb} {path}", operation


def parameters(document: dict[str, Any], operation: dict[str, Any]) -> list[dict[str, Any]]:
    named = document["components"]["parameters"]
    return [named[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in operation.get("parameters", [])]


def test_redocly_finds_nothing(document: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    arguments = ("lint", tmp_path / "openapi.json", "--config", HERE / "redocly.yaml", "--format", "json")
    said = json.loads(node("@redocly/cli/bin/cli.js", *arguments))
    assert said["problems"] == []
    assert said["totals"] == {"errors": 0, "warnings": 0, "ignored": 0}


def test_the_lock_file_names_packages_and_hashes_and_no_address() -> None:
    for name, package in versions().items():
        assert "resolved" not in package, name
        assert not name or package.get("integrity", "").startswith("sha512-"), name


def test_every_field_parameter_and_header_says_what_it_means(document: dict[str, Any]) -> None:
    silent = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, said in schema.get("properties", {}).items()
        if not said.get("description")
    ]
    silent += [name for name, schema in document["components"]["schemas"].items() if not schema.get("description")]
    for where, operation in operations(document):
        silent += [f"{where} {one['name']}" for one in parameters(document, operation) if not one.get("description")]
    silent += [name for name, header in document["components"]["headers"].items() if not header.get("description")]
    assert silent == []


def test_no_object_is_bare(document: dict[str, Any]) -> None:
    """An object has properties, or a schema for all that it may hold; any JSON is told as such by its name."""
    bare = [
        at
        for at, schema in nodes(document)
        if schema.get("type") == "object" and not schema.get("properties") and not schema.get("additionalProperties")
    ]
    bare += [
        at
        for at, schema in nodes(document)
        if at.rpartition("/")[2] in {"schema", "items", "additionalProperties"} and schema in ({}, True)
    ]
    assert [at for at in bare if at != ANY] == []


def test_every_operation_has_its_tag_and_its_headers(document: dict[str, Any]) -> None:
    tags = {tag["name"] for tag in document["tags"] if tag["description"]}
    for where, operation in operations(document):
        (tag,) = operation["tags"]
        assert tag in tags, where
        names = {one["name"] for one in parameters(document, operation) if one["in"] == "header"}
        if tag == "operations":
            assert operation["security"] == []
            continue
        assert "Entitlements-Organization" in names, where
        assert ("Prefer" in names) == ("202" in operation["responses"]), where
        assert ("If-None-Match" in names) == ("304" in operation["responses"]), where
        if where.startswith("post /v1/commands/"):
            assert {"Idempotency-Key", "Prefer"} <= names, where
    by_name = {operation["operationId"]: operation for _, operation in operations(document)}
    for name, header in (
        ("check", "Entitlements-Consistency"),
        ("recordUsage", "Idempotency-Key"),
        ("recordUsages", "Idempotency-Key"),
        ("operateReservations", "Idempotency-Key"),
        ("revokeApiKey", "Idempotency-Key"),
        ("changes", "Last-Event-ID"),
        ("policySet", "If-None-Match"),
        ("ingest", "ce-id"),
    ):
        assert header in {one["name"] for one in parameters(document, by_name[name])}, name


def test_ids_say_their_limits(document: dict[str, Any]) -> None:
    """Of what is sent: the id of something, wherever it stands."""
    sent = {
        one["schema"]["$ref"].rpartition("/")[2]
        for _, operation in operations(document)
        for one in operation.get("requestBody", {}).get("content", {}).values()
        if "$ref" in one["schema"]
    }
    unlimited = [
        f"{name}.{field}"
        for name in sent
        for field, schema in document["components"]["schemas"][name].get("properties", {}).items()
        if (field.endswith("_id") or field == "resource_key")
        for part in schema.get("anyOf", [schema])
        if part.get("type") == "string" and not {"minLength", "maxLength"} <= part.keys()
    ]
    # A policy's id has no pattern: it has its own mistakes. A request's id only names it in logs.
    assert [name for name in unlimited if not name.endswith(".request_id")] == []
    patterns = {schema["pattern"] for _, schema in nodes(document) if isinstance(schema.get("pattern"), str)}
    assert {r"^[^\u0000]*$", r"^([^~\u0000][^\u0000]*)$"} <= patterns
    assert not any("(?" in pattern for pattern in patterns), "not every implementation looks ahead"
    for pattern in patterns:
        re.compile(pattern)


def test_bounds_are_those_of_the_checks(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    for name in (
        "ChangeQuantity",
        "ReserveUsage",
        "CommitReservation",
        "AllocateLimit",
        "ReleaseUsage",
        "ProvisionPool",
    ):
        quantity = schemas[name]["properties"]["quantity"]
        assert (quantity["minimum"], quantity["maximum"]) == (1, 2**53), name
    patterns = {
        ("DefineCampaign", "campaign_id"): ("a", "~a"),
        ("PlaceWorkspace", "workspace_id"): ("...", ".."),
        ("RevokeApiKey", "key_id"): ("3kTfq09sXa2B", "ent_3kTfq09sXa2B_secret"),
    }
    for (name, field), (right, wrong) in patterns.items():
        pattern = schemas[name]["properties"][field]["pattern"]
        assert re.search(pattern, right), name
        assert not re.search(pattern, wrong), name
    path = document["paths"]["/v1/policies/{policy_id}"]["put"]["parameters"]
    (policy_id,) = [each["schema"] for each in path if each.get("name") == "policy_id"]
    assert not re.search(policy_id["pattern"], "..")
    assert schemas["EventBody"]["properties"]["time"]["format"] == "date-time"
    cursors = {schema["maxLength"] for at, schema in nodes(document) if at.endswith("/cursor/schema/anyOf/0")}
    assert cursors <= {CURSOR_CHARACTERS_MAX}


def test_problems_tell_their_members(document: dict[str, Any]) -> None:
    problem = document["components"]["schemas"]["ProblemDocument"]
    assert problem["required"] == ["type", "title", "status", "code", "detail"]
    assert problem["properties"]["remaining"]["anyOf"] == [{"type": "integer"}, {"type": "null"}]
    assert problem["properties"]["pool_id"]["type"] == "string"
    for where, operation in operations(document):
        for status, response in operation["responses"].items():
            if status >= "400" and "$ref" in response:
                named = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
                assert list(named["content"]) == ["application/problem+json"], where


def test_it_says_where_and_under_which_license(document: dict[str, Any]) -> None:
    assert document["servers"] == [{"url": "/", "description": "The service that served this document."}]
    assert document["info"]["license"]["identifier"] == "Apache-2.0"
    assert document["security"] == [{"key": []}]


def test_a_route_reads_no_header_that_it_does_not_declare() -> None:
    @takes(PREFER)
    def endpoint() -> None: ...

    require_taken({"endpoint": endpoint, "method": "POST"}, PREFER)
    with pytest.raises(AssertionError, match="does not declare Idempotency-Key"):
        require_taken({"endpoint": endpoint, "method": "POST"}, IDEMPOTENCY_KEY)
    with pytest.raises(AssertionError):
        Problem("invalid_request", "", surprise=1)
