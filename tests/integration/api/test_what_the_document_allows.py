"""What the OpenAPI document allows is never refused for its form: bounds are those of the checks, and what a schema cannot say is listed here."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

EXAMPLES = 3
#: Refusals of a form; all others are about what there is.
OF_FORM = {"invalid_id", "invalid_quantity", "invalid_request", "invalid_json", "unsupported_media_type"}
TEXTS = (
    "a", "..", ".", "~x", " ", "a\0b", "\x7f\x80", "\u202e\x1b[0m", "é", "\U0001f600" * 128, "x" * 128, "\U0001f600" * 64, "%00%2f", "{}",
    "'\";--", "3kTfq09sXa2B", "allowed",
)  # fmt: skip
INSTANTS = (
    "2026-12-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "1970-01-01T00:00:00.001Z",
    "2026-12-01T01:00:00.9999+14:00",
)
#: Of these the route is another test's: a stream.
NOT_ASKED = {"changes"}
#: Bodies that need one of them, as they say in words.
ONE_OF = ("customer_id", "pool_id")


class Examples:
    """Values of schemas, chosen by a seed: bounds, odd texts, and fields left out."""

    def __init__(self, document: dict[str, Any], seed: int) -> None:
        self.schemas, self.choose = document["components"]["schemas"], random.Random(seed)

    def of(self, schema: dict[str, Any], depth: int = 0) -> Any:  # noqa: C901, PLR0911 - one for each type.
        name = ""
        while "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            schema = self.schemas[name]
        if "const" in schema or "enum" in schema:
            return schema.get("const", self.choose.choice(schema.get("enum", [None])))
        if parts := schema.get("anyOf") or schema.get("oneOf"):
            return self.of(self.choose.choice(parts), depth)
        match schema.get("type"):
            case "object" if "properties" in schema:
                return self._mended(name, schema, self._object(schema, depth))
            case "object":
                return {"a": 1} if self.choose.random() < 0.5 else {}
            case "array":
                fewest = schema.get("minItems", 0)
                return [self.of(schema["items"], depth + 1) for _ in range(fewest if depth > 3 else max(fewest, 1))]
            case "string":
                return self._text(schema)
            case "integer":
                low = int(schema.get("minimum", -(2**63)))
                high = min(
                    int(schema.get("maximum", 2**63)), 2**63 - 1
                )  # The document rounds it up, as numbers of JSON.
                return self.choose.choice([low, high, min(max(low, 1), high), self.choose.randint(low, high)])
            case "boolean":
                return self.choose.random() < 0.5
            case "number":
                return self.choose.choice([0, 1.5, 1e308])
            case "null":
                return None
        return self.choose.choice([None, 1, "x", True])

    def _object(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        required = schema.get("required", ())
        return {
            name: self.of(of, depth + 1)
            for name, of in schema["properties"].items()
            if name in required or self.choose.random() < (0.4 if depth < 4 else 0)
        }

    def _text(self, schema: dict[str, Any]) -> str:
        if schema.get("format") == "date-time":
            return self.choose.choice(INSTANTS)
        fewest, most = schema.get("minLength", 0), schema.get("maxLength", 10**9)
        fitting = [
            text
            for text in TEXTS
            if fewest <= len(text) <= most and ("pattern" not in schema or re.search(schema["pattern"], text))
        ]
        assert fitting, schema
        return self.choose.choice(fitting)

    def _mended(self, name: str, schema: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
        """As the descriptions have it, where a schema cannot say it."""
        if name != "UsageData" and {*ONE_OF} <= schema["properties"].keys() and not any(map(found.get, ONE_OF)):
            found["customer_id"] = "c"
        if name == "EventBody":
            found.pop("data_base64", None)
            found.setdefault("data", {"resource_key": "api_calls"})
        if name == "ChecksBody":
            for each in ("customer_ids", "resource_keys"):
                found.pop(each, None)
            found["checks"] = [{"customer_id": "c", "resource_key": "k"}]
        if "set_id" in schema["properties"]:
            for each in ("rules", "then_rules", "ladder", "rung", "then_rung"):
                if each not in schema.get("required", ()):
                    found.pop(each, None)
        return found


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if operation["operationId"] not in NOT_ASKED and path.startswith("/v1/"):
                yield method.upper(), path, operation


@pytest.mark.parametrize("seed", range(EXAMPLES))
def test_what_the_document_allows_is_not_refused_for_its_form(account: Any, seed: int) -> None:
    document = account.http.get("/openapi.json").json()
    examples = Examples(document, seed)
    wrong: list[str] = []
    for method, template, operation in operations(document):
        path, query = template, {}
        for each in operation.get("parameters", []):
            parameter = (
                document["components"]["parameters"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
            )
            if parameter["in"] == "header" or parameter["name"] == "cursor":
                continue
            value = examples.of(parameter["schema"])
            if parameter["in"] == "path":
                path = path.replace(f"{{{parameter['name']}}}", quote(str(value), safe=""))
            elif value is not None:
                query[parameter["name"]] = str(value).lower() if isinstance(value, bool) else value
        if path.endswith(("/.", "/..")) or "/./" in path or "/../" in path:
            continue  # Clients take them out of a path.
        body: dict[str, Any] = {}
        if "requestBody" in operation:
            content = operation["requestBody"]["content"]
            media_type = examples.choose.choice(list(content))
            schema = content[media_type]["schema"]
            # Data alone are the body of a binary event, which has headers.
            schema = schema["anyOf"][0] if "/v1/events" in path and "anyOf" in schema else schema
            body = {"json": examples.of(schema), "headers": {"content-type": media_type}}
        answer = account.http.request(method, path, params=query, **body)
        said = answer.json() if answer.headers.get("content-type", "").endswith("json") else {}
        if answer.status_code >= 500 or said.get("code") in OF_FORM:
            wrong.append(
                f"{method} {path} {query} {body.get('json')}: {answer.status_code} {said.get('code')} {said.get('detail')}"
            )
    assert wrong == [], "\n\n".join(each[:900] for each in wrong)
