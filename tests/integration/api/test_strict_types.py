"""No value is taken for another: every route, every field of the OpenAPI document, every wrong JSON type is 422, and nothing is recorded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest
from confluent_kafka import TopicPartition

from entitlements.ledger import clients
from entitlements.ledger.ends import TopicEnds
from entitlements.ledger.frames import wire
from entitlements.ledger.ticker import ADVANCE_CLOCK

#: What is no value of a type, though it looks like one.
WRONG: Final[dict[str, tuple[Any, ...]]] = {
    "integer": (True, "5", 5.0),
    "boolean": ("off", 1),
    "string": (5, True),
    "date-time": (0.5, 1_700_000_000, "1700000000", "2026-01-01T00:00:00"),
    "array": ({}, "x"),
    "object": ([], "x"),
}
WRONG_IN_QUERIES: Final = {"integer": ("5.0", "1e3", "true", "0x5"), "date-time": ("0.5", "1700000000", "2026-01-01")}
#: Values that let the fields beside them be valid.
VALID: Final = {"integer": 1, "boolean": True, "string": "x", "date-time": "2999-01-01T00:00:00Z"}
#: Routes that take what they do not understand of a part for nothing, and say so.
TOLERANT: Final = {"/v1/access-log"}
CODES: Final = {"invalid_policy", "invalid_request", "invalid_quantity", "invalid_instant", "invalid_id"}


#: Of these bodies one of two parts is needed, which a schema does not say.
ONE_OF_TWO: dict[str, dict[str, Any]] = {
    "ChecksBody": {"customer_ids": ["x"], "resource_keys": ["x"]},
    "EventBody": {"data": {"resource_key": "x"}},
}


class Document:
    """The OpenAPI document: what its operations take."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        for path, verbs in self.document["paths"].items():
            for verb, operation in verbs.items():
                yield verb, path, operation

    def query_of(self, operation: dict[str, Any]) -> list[dict[str, Any]]:
        return [each for each in operation.get("parameters", []) if each.get("in") == "query"]

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return schema

    def kinds(self, schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The types that a schema takes, each with its own schema; nothing: any value."""
        found: dict[str, dict[str, Any]] = {}
        for part in self.resolved(schema).get("anyOf", [schema]):
            plain = self.resolved(part)
            kind = plain.get("format") if plain.get("format") == "date-time" else plain.get("type", _of_words(plain))
            if kind is None:
                return {}
            found.setdefault(kind, plain)
        return found

    def valid(self, schema: dict[str, Any]) -> Any:
        kind, plain = next(iter(self.kinds(schema).items()), ("string", {}))
        if "enum" in plain or "const" in plain:
            return plain.get("const", plain.get("enum", [None])[0])
        if kind == "object":
            return {name: self.valid(plain["properties"][name]) for name in plain.get("required", ())}
        if kind == "array":
            return [self.valid(plain["items"])] if plain.get("minItems") else []
        return schema["examples"][0] if kind == "string" and "examples" in schema else VALID.get(kind)

    def bent(self, schema: dict[str, Any], deep: int = 2) -> Iterator[tuple[str, Any]]:
        """Values of a schema with one field of a wrong type, and the name of the field."""
        kinds = self.kinds(schema)
        if "object" not in kinds:
            return
        whole = self.valid(schema)
        whole |= ONE_OF_TWO.get(schema.get("$ref", "").rpartition("/")[2], {})
        for name, field in kinds["object"].get("properties", {}).items():
            taken = self.kinds(field)
            if not taken:
                continue
            wrong = [value for kind in taken for value in WRONG.get(kind, ()) if not _fits(value, taken)]
            if "null" not in taken:
                wrong.append(None)
            for value in wrong:
                yield name, whole | {name: value}
            for kind, of_kind in taken.items():
                inner = of_kind.get("items") if kind == "array" else of_kind if kind == "object" else None
                if inner is not None and deep:
                    for place, value in self.bent(inner, deep - 1):
                        yield place, whole | {name: [value] if kind == "array" else value}


def _of_words(schema: dict[str, Any]) -> str | None:
    return "string" if "enum" in schema or "const" in schema else None


def _fits(value: Any, taken: dict[str, Any]) -> bool:
    kind = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object", float: "number"}[type(value)]
    return kind in taken


@pytest.fixture(scope="module")
def document(service: Any) -> Document:
    return Document(httpx.get(f"{service.url}/openapi.json").json())


def commands_in_the_log(service: Any) -> dict[int, int]:
    return TopicEnds(service.settings, within_for=10.0).of("commands", range(service.settings.partitions))


def sent_since(service: Any, before: dict[int, int]) -> list[str]:
    """The commands in the log since then but for the ticks of the clock, which come by themselves."""
    topic, names = service.settings.topic("commands"), []
    for partition, end in commands_in_the_log(service).items():
        reader = clients.reader(service.settings)
        reader.assign([TopicPartition(topic, partition, before[partition])])
        for _ in range(before[partition], end):
            record = reader.poll(10.0)
            assert record is not None
            assert record.error() is None, record.error()
            names.append(wire().decode(record.value()).name)
        reader.close()
    return [name for name in names if name != ADVANCE_CLOCK]


def refusal_of(answer: httpx.Response, name: str) -> str:
    """What is wrong with an answer; empty: it says that this field is invalid."""
    problem = answer.json()
    places = [error["at"] for error in problem.get("errors", [])] or [problem.get("path", "")]
    if answer.status_code != 422 or problem["code"] not in CODES:
        return f"{answer.status_code} {answer.text[:200]}"
    if not any(name in place for place in places):
        return f"{name} is not named: {answer.text[:200]}"
    text = answer.text.lower()
    return (
        answer.text[:200]
        if any(word in text for word in ("pydantic", "input should", "value error", "expected `", "python"))
        else ""
    )


def test_every_field_of_every_body_takes_its_own_type_only(service: Any, document: Document) -> None:
    failures, asked = [], 0
    with service.client("operator") as operator:
        before = commands_in_the_log(service)
        for verb, path, operation in document.operations():
            for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
                if (
                    "schema" not in content
                    or "batch" in media_type
                    or (media_type, path) == ("application/json", "/v1/events")
                ):
                    continue
                where = path.replace("{", "").replace("}", "")
                for name, body in document.bent(content["schema"], deep=0 if path in TOLERANT else 2):
                    answer = operator.request(verb, where, json=body, headers={"content-type": media_type})
                    asked += 1
                    if said := refusal_of(answer, name):
                        failures.append(f"{verb} {path} {name}={body!r:.200}: {said}")
    assert failures == [], "\n".join(failures[:40])
    assert asked > 1_000
    assert sent_since(service, before) == []


def test_every_parameter_of_every_query_takes_its_own_type_only(account: Any, document: Document) -> None:
    asked = 0
    for verb, path, operation in document.operations():
        for parameter in document.query_of(operation):
            for kind in document.kinds(parameter["schema"]):
                for text in WRONG_IN_QUERIES.get(kind, ()):
                    answer = account.http.request(
                        verb, path.replace("{", "").replace("}", ""), params={parameter["name"]: text}
                    )
                    asked += 1
                    assert refusal_of(answer, parameter["name"]) == "", (verb, path, text)
    assert asked >= 15


def test_a_key_is_not_revoked_by_a_number_that_is_taken_for_an_instant(account: Any) -> None:
    made = account.http.post("/v1/keys", json={"scopes": ["read"]}).json()
    answer = account.http.delete(f"/v1/keys/{made['key_id']}", params={"revoke_at": "0.5"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_instant")
    assert [
        each["revoked_at"] for each in account.http.get("/v1/keys").json()["items"] if each["key_id"] == made["key_id"]
    ] in ([None], [])


@pytest.mark.parametrize("quantity", [0, -1, 2**53 + 1, 2**63, 2**64, 5.0, 1e3])
def test_a_number_that_is_no_quantity_has_its_code_everywhere(account: Any, quantity: float) -> None:
    body = {"customer_id": account.customer_id, "resource_key": "api_calls", "quantity": quantity}
    event = {"id": "e", "source": "/s", "type": "t", "specversion": "1.0", "subject": account.customer_id}
    event |= {"data": {"resource_key": "api_calls", "quantity": quantity}}
    answers = [
        account.http.post("/v1/usage", json=body),
        account.http.post("/v1/usage/batch", json={"usage": [body]}),
        account.http.post("/v1/reservations", json=body),
        account.http.post("/v1/events", json=event, headers={"content-type": "application/cloudevents+json"}),
        account.http.post(
            "/v1/commands/ChangeQuantity",
            json={"pool_id": account.pool_id, "provision_id": "plan", "quantity": quantity},
        ),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(422, "invalid_quantity")] * 5


def test_an_instant_belongs_to_the_same_millisecond_on_every_route(account: Any) -> None:
    at = "2026-11-01T00:00:00.0009999Z"
    body = {
        "customer_id": account.customer_id,
        "resource_key": "api_calls",
        "mode": "report",
        "occurred_at": at,
        "usage_id": "u",
    }
    assert account.http.post("/v1/usage", json=body).status_code == 200
    # Under the same id another instant is another body: only what is cut off to the same millisecond is a repeat.
    for same in ("2026-11-01T00:00:00Z", "2026-11-01T01:00:00.0001+01:00"):
        answer = account.http.post("/v1/usage", json=body | {"occurred_at": same})
        assert answer.headers.get("idempotent-replay") == "true"
    answer = account.http.post("/v1/usage", json=body | {"occurred_at": "2026-11-01T00:00:00.001Z"})
    assert answer.json()["code"] == "idempotency_key_reused"


def test_a_query_holds_parameters_of_its_route_alone_and_each_once(account: Any, document: Document) -> None:
    """Every route: what is misspelt would be passed over, and a key be revoked at once."""
    for verb, path, operation in document.operations():
        if operation["tags"] == ["operations"]:
            continue
        names = [each["name"] for each in document.query_of(operation)]
        where = path.replace("{", "").replace("}", "")
        answer = account.http.request(verb, where, params={"nobody_knows_this": "1"})
        assert refusal_of(answer, "query.nobody_knows_this") == "", (verb, path)
        for name in names:
            if path == "/v1/changes":  # It takes many customers, and goes on for ever.
                continue
            answer = account.http.request(verb, where, params=[(name, "x"), (name, "y")])
            assert refusal_of(answer, f"query.{name}") == "", (verb, path)
            assert "more than once" in answer.text, (verb, path)


@pytest.mark.parametrize("misspelt", ["revokeAt", "revoke-at", "revoke_at_"])
def test_a_key_is_not_revoked_at_once_by_a_misspelt_instant(account: Any, misspelt: str) -> None:
    made = account.http.post("/v1/keys", json={"scopes": ["read"]})
    at = {misspelt: "2999-01-01T00:00:00Z"}
    answer = account.http.delete(f"/v1/keys/{made.json()['key_id']}", params=at)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "did you mean revoke_at?" in answer.text
    token = {"entitlements-consistency": made.headers["entitlements-consistency"]}
    keys = account.http.get("/v1/keys", headers=token).json()["items"]
    assert [each["revoked_at"] for each in keys if each["key_id"] == made.json()["key_id"]] == [None]
