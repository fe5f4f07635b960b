"""Puts the OpenAPI document together: what FastAPI makes of the routes, completed with headers, tags and what fields mean."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.routing import BaseRoute

from entitlements.api.documents import PROBLEMS
from entitlements.api.listing import FILTERS
from entitlements.api.openapi import answers, headers, probes
from entitlements.api.openapi.descriptions import of_record
from entitlements.api.openapi.examples import example_of

ABOUT: Final = """Entitlements, usage and limits of your customers: check access, record usage, manage plans.

- Send `Authorization: Bearer <API key>`. Keys have scopes: `read`, `use`, `administer`, `audit`.
- Quantities are integers in the smallest unit of their resource key. Times are RFC 3339 with a time zone.
- Errors are problem documents (RFC 9457) with a stable `code`.
- The response to a change has a header `Entitlements-Consistency`. A request that sends it back includes that change.
- A request with an `Idempotency-Key` takes effect once, however often it is sent.
- A customer is called a workspace in the names and fields of commands: `workspace_id` there is `customer_id` elsewhere.
"""
LICENSE: Final = {"name": "Apache 2.0", "identifier": "Apache-2.0"}
SERVERS: Final = [{"url": "/", "description": "The service that served this document."}]
TAGS: Final = {
    "access": "Check whether a customer may use a resource key, and how much remains.",
    "usage": "Record usage: single, in batches, or as CloudEvents.",
    "reservations": "Reserve a quantity before it is used. A lease is a reservation that a client draws down locally.",
    "changes": "A stream of changes to customers' entitlements (server-sent events).",
    "commands": "Change pools, customers, plans, grants, limits, organizations and the catalogue.",
    "catalogue": "Pools, plans and resource keys.",
    "lists": "List an organization's resources, with pagination.",
    "governance": "Manage the organization's API keys and access policies.",
    "access log": "Logged access decisions, newest first: the caller, the request and the result.",
    "operations": "Liveness and readiness probes.",
}
_JSON_VALUE: Final = {"title": "JsonValue", "description": "Any JSON value."}


def describe(app: FastAPI, routes: Iterable[BaseRoute], models: Iterable[type[BaseModel]]) -> None:
    """Let the application's `openapi()` tell everything. models: of bodies that handlers decode by themselves."""
    api_routes = [route for route in routes if isinstance(route, APIRoute)]
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(made(), api_routes, models)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any], routes: list[APIRoute], models: Iterable[type[BaseModel]]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    everything: tuple[type[BaseModel], ...] = (*models, probes.Probe)
    for model in everything:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[model.__name__] = schema
    # FastAPI's own, of which no answer of ours has the form.
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    if "JsonValue" in schemas:
        schemas["JsonValue"] = _JSON_VALUE
    document["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key, or an OpenID Connect token."}
    }
    document["components"]["parameters"] = headers.components()
    document["components"]["headers"] = answers.HEADERS
    document["components"]["responses"] = answers.components(PROBLEMS)
    document["security"] = [{"key": []}]
    for route in routes:
        for method in (route.methods or ()) if route.include_in_schema else ():
            operation = document["paths"][route.path_format][method.lower()]
            taken = headers.taken_by(route.endpoint, method)
            operation["parameters"] = [*map(_bounded, operation.get("parameters", ())), *headers.references(taken)]
            answers.complete(operation, taken, schemas)
    document["paths"] |= probes.paths()
    present = {tag for path in document["paths"].values() for each in path.values() for tag in each["tags"]}
    assert present <= TAGS.keys(), "the document says nothing of a tag"
    document["tags"] = [{"name": name, "description": said} for name, said in TAGS.items() if name in present]
    _say_what_fields_mean(schemas)
    for operation in (operation for verbs in document["paths"].values() for operation in verbs.values()):
        if "lists" in operation["tags"]:
            _describe_filters(operation["parameters"])
        _give_examples(operation, schemas)
    _drop_unused(document)
    return document


def _give_examples(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    for content in operation.get("requestBody", {}).get("content", {}).values():
        if "examples" not in content and "example" not in content:
            content["example"] = example_of(content["schema"], schemas)


def _describe_filters(parameters: list[dict[str, Any]]) -> None:
    """What filters of lists mean; each means the same in every list. Raises KeyError: a filter that nobody has described."""
    for parameter in parameters:
        if parameter.get("in") == "query" and "description" not in parameter:
            parameter["description"] = FILTERS[parameter["name"]]


def _bounded(parameter: dict[str, Any]) -> dict[str, Any]:
    """A parameter with its bounds in the words of JSON Schema: behind a validator pydantic keeps its own."""
    for ours, theirs in (("ge", "minimum"), ("le", "maximum")):
        if ours in parameter["schema"]:
            parameter["schema"][theirs] = parameter["schema"].pop(ours)
    return parameter


def _say_what_fields_mean(schemas: dict[str, Any]) -> None:
    for name, schema in schemas.items():
        said = of_record(name)
        for field, of_field in schema.get("properties", {}).items():
            # As pydantic's titles repeat the names, they only make the document longer.
            of_field.pop("title", None)
            if field in said and "description" not in of_field:
                of_field["description"] = said[field]
            _say_default(of_field)


def _say_default(field: dict[str, Any]) -> None:
    """A default in words: by the keyword, generators of TypeScript take the field for one that is always there."""
    default = field.pop("default", None)
    if default not in (None, "", [], {}):
        field["description"] = f"{field['description']} Default: `{json.dumps(default)}`."


def _drop_unused(document: dict[str, Any]) -> None:
    """Leave out schemas that nothing refers to: FastAPI collects also what `ToldAs` stands in place of."""
    schemas, used = document["components"]["schemas"], set[str]()
    seen = [document["paths"], document["components"]["responses"]]
    while seen:
        node = seen.pop()
        if isinstance(node, dict):
            name = str(node.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in schemas and name not in used:
                used.add(name)
                seen.append(schemas[name])
        seen += node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for name in schemas.keys() - used:
        del schemas[name]
