"""What the OpenAPI document promises of the running service: headers that are honoured, methods, content types, answers without surprises."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import jsonschema_rs
import pytest

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
PROBES = ("/healthz", "/readyz")
EVENT = {"id": "x", "source": "x", "type": "x", "specversion": "1.0", "subject": "x", "data": {"resource_key": "x"}}
#: Bodies of which the schema says less than their route asks.
BODIES: dict[str, Any] = {
    "checkMany": {"customer_ids": ["x"], "resource_keys": ["x"]},
    "ingest": EVENT,
    "ingestBatch": [EVENT],
}
#: Headers with a value that no route which honours them takes, and the code it says so by.
WRONG = {
    "Idempotency-Key": ("~mine", "invalid_id"),
    "Entitlements-Consistency": ("yesterday", "invalid_consistency_token"),
    "Last-Event-ID": ("the last", "invalid_last_event_id"),
    "Entitlements-Organization": ("nobody%20knows", "organization_not_allowed"),
}


@pytest.fixture(scope="module")
def document(service: Any) -> dict[str, Any]:
    return dict(httpx.get(f"{service.url}/openapi.json").json())


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            if operation["tags"] != ["operations"]:
                yield verb.upper(), path, operation


def filled(path: str) -> str:
    return path.replace("{", "x-").replace("}", "")


def ask(service: Any, verb: str, path: str, key: str = "") -> tuple[int, dict[str, str], Any]:
    """Ask by a socket: clients know no TRACE."""
    host, _, port = urlsplit(service.url).netloc.partition(":")
    lines = [f"{verb} {path} HTTP/1.1", f"Host: {host}", "Connection: close", "Content-Length: 0"]
    lines += [f"Authorization: Bearer {key}"] if key else []
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        head, _, body = b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")
    status, *headers = head.decode().split("\r\n")
    named = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in headers)}
    return int(status.split()[1]), named, body


def test_allow_names_the_methods_of_every_path(service: Any, document: dict[str, Any]) -> None:
    """What is not allowed is 405 with all that is, whichever route has it: those of a template count for the paths that it fits."""
    key = service.key("acme")
    methods: dict[str, set[str]] = {}
    for verb, path, _ in operations(document):
        methods.setdefault(path, set()).add(verb)
    methods["/v1/policies/dry-run"] |= methods["/v1/policies/{policy_id}"]
    for path, allowed in methods.items():
        for verb in ("TRACE", "PATCH", *({"GET", "DELETE"} - allowed)):
            status, headers, _ = ask(service, verb, filled(path), key)
            assert (status, set(headers["allow"].split(", "))) == (405, allowed), (verb, path)
    for path in ("/openapi.json", "/docs"):
        status, headers, _ = ask(service, "POST", path)
        assert (status, headers["allow"]) == (405, "GET, HEAD"), path


def test_probes_are_for_get_and_head(service: Any) -> None:
    for path in PROBES:
        for verb in VERBS:
            status, headers, body = ask(service, verb, path)
            if verb in {"GET", "HEAD"}:
                assert status == 200, (verb, path)
                continue
            assert (status, headers["allow"]) == (405, "GET, HEAD"), (verb, path)
            assert headers["content-type"] == "application/problem+json"
            assert json.loads(body)["code"] == "method_not_allowed"


def test_one_rule_of_content_types_holds_for_every_route(service: Any, document: dict[str, Any]) -> None:
    """application/json and nothing else, whatever curl sends by itself; events have types of their own beside it."""
    with service.client("operator") as http:
        asked = 0
        for verb, path, operation in operations(document):
            if "requestBody" not in operation:
                continue
            for content_type in ("application/x-www-form-urlencoded", "text/plain", "application/xml", None):
                headers = {} if content_type is None else {"content-type": content_type}
                answer = http.request(verb, filled(path), content=b"{}", headers=headers)
                assert answer.status_code == 415, (verb, path, content_type)
                assert answer.json()["code"] == "unsupported_media_type"
                asked += 1
            for content_type in ("application/json", "Application/JSON; charset=UTF-8"):
                answer = http.request(verb, filled(path), content=b"{", headers={"content-type": content_type})
                assert (answer.status_code, answer.json()["code"]) in {
                    (422, "invalid_request"),
                    (400, "invalid_json"),
                    (422, "invalid_json"),
                }, (verb, path)
            answer = http.request(
                verb, filled(path), content=b"{}", headers={"content-type": "application/json; charset=utf-16"}
            )
            assert answer.status_code == 415, (verb, path)
    assert asked > 200


def valid(document: dict[str, Any], operation: dict[str, Any]) -> Any:
    """The least body that the operation takes."""
    content = operation.get("requestBody", {}).get("content")
    return None if content is None else _least(document, next(iter(content.values()))["schema"])


def _least(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return _least(document, schema[choice][0])
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema.get("type") == "object":
        named = {name: _least(document, schema["properties"][name]) for name in schema.get("required", ())}
        return named | ({"customer_id": "x"} if "customer_id" in schema.get("properties", {}) else {})
    if schema.get("type") == "array":
        return [_least(document, schema["items"])]
    if schema.get("type") == "string":
        return (
            "2999-01-01T00:00:00Z" if schema.get("format") == "date-time" else schema.get("examples", ["xxxxxxxx"])[0]
        )
    return {"integer": 1, "boolean": True}.get(schema.get("type", ""))


def test_headers_are_honoured_where_the_document_tells_them(service: Any, document: dict[str, Any]) -> None:
    """A value that cannot be meant is refused by every route that declares the header."""
    refused = dict.fromkeys(WRONG, 0)
    with service.client("operator") as http:
        for verb, path, operation in operations(document):
            told = {one["$ref"].rpartition("/")[2] for one in operation["parameters"] if "$ref" in one}
            body = BODIES.get(operation["operationId"]) or valid(document, operation)
            for header, (value, code) in WRONG.items():
                if header not in told:
                    continue
                # A repeat of what was not refused would be another thing: nothing is left in the log by what is refused.
                content_type = next(iter(operation.get("requestBody", {}).get("content", {"application/json": {}})))
                sent = {} if body is None else {"content": json.dumps(body)}
                headers = {header: value, "content-type": content_type}
                answer = http.request(verb, filled(path), headers=headers, **sent)
                said = answer.json().get("code")
                if code == said:
                    refused[header] += 1
                    continue
                inner = [each.get("code") for each in answer.json().get("results", [])]
                # Rules that come before: of the catalogue's, the organization's and a policy's own.
                assert code in inner or (answer.status_code in {404, 422} and said != "invalid_request"), (
                    verb,
                    path,
                    header,
                    answer.text,
                )
    assert refused["Entitlements-Organization"] == sum(1 for _ in operations(document))
    assert refused["Idempotency-Key"] >= 50
    assert refused["Entitlements-Consistency"] >= 15
    assert refused["Last-Event-ID"] == 1


def strict(document: dict[str, Any]) -> dict[str, Any]:
    """The schemas, where an object has no members that the document does not tell."""

    def close(node: Any) -> Any:
        if isinstance(node, list):
            return [close(part) for part in node]
        if not isinstance(node, dict):
            return node
        closed = {name: close(part) for name, part in node.items()}
        if "properties" in node and isinstance(node.get("properties"), dict) and "type" in node:
            closed["additionalProperties"] = False
        return closed

    return dict(close(document["components"]))


def test_answers_hold_what_the_document_tells_and_nothing_else(
    service: Any, account: Any, document: dict[str, Any]
) -> None:
    """A pool with something of everything, and each question about it."""
    account.command("IssueGrant", grant_id="g", reason="r", set_id="free")
    account.command(
        "SetOverride",
        override_id="o",
        resource_key="api_calls",
        amount=500,
        reason="r",
        workspace_id=account.customer_id,
    )
    account.command("CapMember", workspace_id=account.customer_id, subject_id="ann", resource_key="api_calls", amount=9)
    account.command(
        "ConfigureOnDemand",
        resource_key="api_calls",
        enabled=True,
        payer="p",
        currency="EUR",
        unit_price=1,
        spending_cap=100,
    )
    account.http.post(
        "/v1/reservations", json={"customer_id": account.customer_id, "resource_key": "api_calls", "quantity": 2}
    )
    condition = {"not": {"all": [{"field": "customer.region", "operator": "equals", "value": "eu"}]}}
    policy = {
        "effect": "DENY",
        "resource_keys": ["export"],
        "conditions": [condition],
        "temporal": {"weekdays": ["mon"]},
    }
    token = account.http.put("/v1/policies/p-1", json=policy).headers["entitlements-consistency"]
    account.http.headers["entitlements-consistency"] = token
    asked = {
        "customer_id": account.customer_id,
        "resource_key": "api_calls",
        "quantity": 3,
        "context": {"customer": {"region": "us"}},
    }
    usage = {"customer_id": account.customer_id, "resource_key": "api_calls", "quantity": 1}
    reserve = {"op": "reserve"} | usage
    answers = {
        "PoolBody": ("GET", f"/v1/pools/{account.pool_id}", None),
        "SetBody": ("GET", "/v1/sets/free", None),
        "LadderBody": ("GET", "/v1/ladders/plans", None),
        "ResourceKeyBody": ("GET", "/v1/resource-keys/api_calls", None),
        "PoolList": ("GET", "/v1/pools", None),
        "CustomerList": ("GET", "/v1/customers", None),
        "ProvisionList": ("GET", "/v1/provisions", None),
        "GrantList": ("GET", "/v1/grants", None),
        "UsageList": ("GET", "/v1/usage", None),
        "UnitList": ("GET", "/v1/units", None),
        "MemberList": ("GET", "/v1/members", None),
        "SetList": ("GET", "/v1/sets", None),
        "ResourceKeyList": ("GET", "/v1/resource-keys", None),
        "PolicyList": ("GET", "/v1/policies", None),
        "CampaignList": ("GET", "/v1/campaigns", None),
        "ApiKeyList": ("GET", "/v1/keys", None),
        "PoliciesBody": ("GET", "/v1/policy-set", None),
        "ViewBody": ("GET", f"/v1/customers/{account.customer_id}/entitlements", None),
        "EntitlementBody": ("GET", f"/v1/customers/{account.customer_id}/entitlements/api_calls", None),
        "DecisionBody": ("POST", "/v1/check", asked),
        "DecisionsBody": ("POST", "/v1/checks", {"checks": [asked]}),
        "RemainingBody": ("POST", "/v1/remaining", {"customer_ids": [account.customer_id], "resource_keys": ["api_calls", "sso"]}),
        "DryRunBody": ("POST", "/v1/policies/dry-run", asked | {"resource_key": "export"}),
        "UsageResults": ("POST", "/v1/usage/batch", {"usage": [usage, usage | {"quantity": 10**9}]}),
        "OperationResults": ("POST", "/v1/reservations/batch", {"operations": [reserve, {"op": "extend", "reservation_id": "none", "pool_id": account.pool_id, "expires_in": 5}]}),
    }  # fmt: skip
    components = strict(document)
    for name, (verb, path, body) in answers.items():
        answer = account.http.request(verb, path, json=body)
        assert answer.status_code == 200, (name, answer.text)
        schema = {"$ref": f"#/components/schemas/{name}", "components": components}
        found = [
            error.message + " at " + str(error.instance_path)
            for error in jsonschema_rs.validator_for(schema).iter_errors(answer.json())
        ]
        assert found == [], (name, answer.text)
    pool = account.http.get(f"/v1/pools/{account.pool_id}").json()
    assert all(
        pool[name]
        for name in (
            "provisions",
            "grants",
            "assignments",
            "entitlements",
            "contributions",
            "overrides",
            "caps",
            "reservations",
            "on_demand",
        )
    )


def test_the_page_needs_no_other_server(service: Any) -> None:
    """GET /docs and all it loads come from here, open to everybody, and it may ask nobody else."""
    page = httpx.get(f"{service.url}/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "connect-src 'self'" in page.headers["content-security-policy"]
    assert "://" not in page.text
    loaded = [part.partition('"')[0] for part in page.text.replace('src="', 'href="').split('href="')[1:]]
    assert len(loaded) == 4
    for path in loaded:
        answer = httpx.get(f"{service.url}/{path}")
        assert (answer.status_code, answer.headers["x-content-type-options"]) == (200, "nosniff")
        assert answer.content
