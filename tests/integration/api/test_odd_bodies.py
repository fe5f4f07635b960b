"""What Python reads and nothing can write down again: every answer says that it cannot be meant, none is a failure of ours."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

JSON = {"content-type": "application/json"}
ODD = [
    ("POST", "/v1/check", '{"customer_id":"c","resource_key":"k","quantity":18446744073709551616}'),
    ("POST", "/v1/checks", '{"customer_ids":["c"],"resource_keys":["k"],"quantity":-18446744073709551616}'),
    ("POST", "/v1/policies/dry-run", '{"customer_id":"c","resource_key":"k","quantity":18446744073709551616}'),
    ("POST", "/v1/policies/dry-run", r'{"customer_id":"c","resource_key":"k","context":{"metadata":{"a":"\ud800"}}}'),
    ("POST", "/v1/policies/dry-run", '{"customer_id":"c","resource_key":"k","context":{"metadata":{"a":NaN}}}'),
    ("PUT", "/v1/policies/odd", r'{"effect":"DENY","\ud800":1}'),
    ("PUT", "/v1/policies/odd", r'{"effect":"DENY","reason":"\ud800"}'),
    ("PUT", "/v1/policies/odd", '{"effect":"DENY","conditions":[{"field":"metadata.x","operator":"equals","value":1e999}]}'),
    ("POST", "/v1/usage", r'{"customer_id":"c","resource_key":"k","\ud800":1}'),
    ("POST", "/v1/keys", '{"scopes":["read"],"expires_at":"9999-12-31T23:59:59-12:00"}'),
    ("POST", "/v1/commands/EndProvision", '{"pool_id":"p","provision_id":"x","when":"at","ends_at":"9999-12-31T23:59:59-12:00"}'),
    ("POST", "/v1/commands/SuspendPool", '{"pool_id":"p","effective_at":"0001-01-01T00:00:00+14:00"}'),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "path", "body"), ODD)
def test_what_cannot_be_written_down_cannot_be_meant(tenant: Any, verb: str, path: str, body: str) -> None:
    answer = tenant.http.request(verb, path, content=body, headers=JSON)
    assert answer.status_code == 422, answer.text


def test_a_cursor_with_half_a_character_is_none_of_ours(tenant: Any) -> None:
    cursor = base64.urlsafe_b64encode(rb'["2026-01-01T00:00:00+00:00","\ud800"]').decode()
    assert tenant.http.get("/v1/access-log", params={"cursor": cursor}).status_code == 422


@pytest.mark.parametrize("digits", [310, 4_000])
def test_a_policy_with_a_number_that_no_reader_takes_is_refused_and_the_others_go_on(tenant: Any, digits: int) -> None:
    condition = {"field": "metadata.x", "operator": "equals", "value": 0}
    document = {"conditions": [condition], "effect": "DENY", "policy_id": "odd"}
    policy = json.dumps(document, separators=(",", ":")).replace(":0}", f":{'9' * digits}}}")
    answer = tenant.http.put("/v1/policies/odd", content=policy, headers=JSON)
    assert answer.status_code == 422, answer.text
    command = {"policy_id": "odd", "effect": "DENY", "document": policy}
    answer = tenant.http.post("/v1/commands/DefineAccessPolicy", json=command)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_policy")
    assert tenant.http.get("/v1/policies").status_code == 200
    assert tenant.check("sso")["allowed"]
