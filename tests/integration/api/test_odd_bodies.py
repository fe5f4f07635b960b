"""What Python reads and nothing can write down again: every answer says that it is invalid, none is a failure of ours."""

from __future__ import annotations

import base64
import gzip
import json
import time
from datetime import UTC, datetime
from typing import Any

import orjson
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
def test_what_cannot_be_written_down_cannot_be_meant(account: Any, verb: str, path: str, body: str) -> None:
    answer = account.http.request(verb, path, content=body, headers=JSON)
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize(
    ("verb", "path", "body", "name"),
    [
        ("PUT", "/v1/policies/twice", '{"effect":"DENY","effect":"ALLOW","resource_keys":["x"]}', "effect"),
        ("POST", "/v1/usage", r'{"customer_id":"C","resource_key":"api_calls","quantity":1,"quantit\u0079":3}', "quantity"),
        ("POST", "/v1/usage/batch", '{"usage":[{"customer_id":"C","customer_id":"C","resource_key":"api_calls"}]}', "customer_id"),
        ("POST", "/v1/check", '{"customer_id":"C","resource_key":"api_calls","resource_key":"sso"}', "resource_key"),
        ("POST", "/v1/checks", '{"customer_ids":["C"],"resource_keys":["sso"],"resource_keys":["sso"]}', "resource_keys"),
        ("POST", "/v1/check", '{"customer_id":"C","resource_key":"sso","context":{"metadata":{"a":1,"a":2}}}', "a"),
        ("POST", "/v1/commands/SuspendPool", '{"pool_id":"P","reason":"x","reason":"y"}', "reason"),
    ],
)  # fmt: skip
def test_a_name_that_is_given_twice_is_no_riddle(account: Any, verb: str, path: str, body: str, name: str) -> None:
    said = body.replace('"C"', f'"{account.customer_id}"').replace('"P"', f'"{account.pool_id}"')
    answer = account.http.request(verb, path, content=said, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text
    assert answer.json()["errors"] == [{"at": f"body.{name}", "message": "is given more than once"}]
    assert account.check("api_calls")["consumed"] == 0


def test_a_colon_in_a_text_is_no_name(account: Any) -> None:
    body = {"customer_id": account.customer_id, "resource_key": "api_calls", "usage_id": 'a:"b":c'}
    assert account.http.post("/v1/usage", json=body | {"occurred_at": "2026-01-01T00:00:00Z"}).is_success


def test_a_slash_that_is_encoded_ends_no_segment(account: Any) -> None:
    body = {"customer_id": account.customer_id, "resource_key": "sso"}
    assert account.http.post("/v1/check", json=body).is_success
    assert [account.http.post(f"/v1%2F{path}", json=body).status_code for path in ("check", "usage")] == [404, 404]


@pytest.mark.parametrize("key", ["é".encode(), "é".encode("latin-1"), b"a\tb", b"x" * 129])
def test_an_idempotency_key_that_is_not_ascii_is_refused_and_counts_nothing(account: Any, key: bytes) -> None:
    body = {"customer_id": account.customer_id, "resource_key": "api_calls"}
    sent: list[tuple[str, Any]] = [
        ("/v1/usage", body), ("/v1/usage/batch", {"usage": [body]}), ("/v1/reservations", body),
        ("/v1/commands/SuspendPool", {"pool_id": account.pool_id, "reason": "r"}),
    ]  # fmt: skip
    for path, said in sent:
        answer = account.http.post(path, json=said, headers=[(b"idempotency-key", key)])
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_id"), (path, answer.text)
    assert account.check("api_calls")["consumed"] == 0


def test_a_cursor_with_half_a_character_is_none_of_ours(account: Any) -> None:
    cursor = base64.urlsafe_b64encode(rb'["2026-01-01T00:00:00+00:00","\ud800"]').decode()
    assert account.http.get("/v1/access-log", params={"cursor": cursor}).status_code == 422


@pytest.mark.parametrize("digits", [310, 4_000])
def test_a_policy_with_a_number_that_no_reader_takes_is_refused_and_the_others_go_on(account: Any, digits: int) -> None:
    condition = {"field": "metadata.x", "operator": "equals", "value": 0}
    document = {"conditions": [condition], "effect": "DENY", "policy_id": "odd"}
    policy = json.dumps(document, separators=(",", ":")).replace(":0}", f":{'9' * digits}}}")
    answer = account.http.put("/v1/policies/odd", content=policy, headers=JSON)
    assert answer.status_code == 422, answer.text
    command = {"policy_id": "odd", "effect": "DENY", "document": policy}
    answer = account.http.post("/v1/commands/DefineAccessPolicy", json=command)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_policy")
    assert account.http.get("/v1/policy-set").status_code == 200
    assert account.check("sso")["allowed"]


VALUES = (
    "1e308", "-1e308", "5e-324", "-0.0", "0.1", "1e19", "-1e19", str(2**63), str(2**53 + 1), "9" * 40, str(-(2**63) + 1),
    r'"\u2028\ud83d\ude00\ufffe"', r'"\\u0000"', r'":\"\\"', "true",
)  # fmt: skip


def test_whatever_a_policy_may_say_every_answer_says_as_it_was_put(account: Any) -> None:
    """Postgres' jsonb writes 1e308 as an integer of 309 digits, which nothing here reads: one policy took the list for good."""
    put: dict[str, bytes] = {}
    token: dict[str, str] = {}

    def is_put(condition: str) -> bool:
        policy_id = f"p{len(put)}"
        policy = f'{{"effect":"DENY","priority":{len(put)},"resource_keys":["nothing"],"conditions":[{condition}]}}'
        answer = account.http.put(f"/v1/policies/{policy_id}", content=policy, headers=JSON)
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_policy"), (condition, answer.text)
            return False
        put[policy_id] = policy.encode()
        token["entitlements-consistency"] = answer.headers["entitlements-consistency"]
        return True

    comparisons = [f'{{"field":"metadata.x","operator":"equals","value":{value}}}' for value in VALUES]
    valid = [each for each in comparisons if is_put(each)]
    assert len(valid) > len(VALUES) - 3
    assert is_put(f'{{"any":[{{"not":{{"all":[{",".join(valid)}]}}}}]}}')
    listed = account.http.get("/v1/policies", headers=token)
    in_force = account.http.get("/v1/policy-set", headers=token)
    assert (listed.status_code, in_force.status_code) == (200, 200), listed.text
    of_list = {each["policy_id"]: each["document"] for each in orjson.loads(listed.content)["items"]}
    of_set = {each["policy_id"]: each for each in orjson.loads(in_force.content)["policies"]}
    for policy_id, policy in put.items():
        as_put = repr(sorted(({"policy_id": policy_id} | orjson.loads(policy)).items()))  # repr: -0.0 is equal to 0.
        assert [repr(sorted(each[policy_id].items())) for each in (of_list, of_set)] == [as_put] * 2


def test_a_dry_run_takes_no_policy_that_cannot_be_put(account: Any) -> None:
    policy = {"effect": "DENY", "conditions": [{"field": "metadata.x", "operator": "equals", "value": "a\0"}]}
    asked = {"customer_id": account.customer_id, "resource_key": "sso", "policies": [policy | {"policy_id": "nul"}]}
    answers = [account.http.put("/v1/policies/nul", json=policy), account.http.post("/v1/policies/dry-run", json=asked)]
    assert [(each.status_code, each.json()["code"]) for each in answers] == [(422, "invalid_policy")] * 2


def test_bytes_that_are_not_utf_8_are_no_json(account: Any) -> None:
    """One malformed event of a batch is refused alone, whatever is wrong with it."""
    said = {"source": "/s", "type": "t", "specversion": "1.0", "subject": account.customer_id}
    good = json.dumps(said | {"id": "1", "data": {"resource_key": "api_calls"}}).encode()
    data = base64.b64encode(b'{"resource_key":"api_calls","subject_id":"\xe9"}').decode()
    bad = [json.dumps(said | {"id": "2", "data_base64": data}).encode(), good.replace(b'"/s"', b'"\xe9"')]
    batch = {"content-type": "application/cloudevents-batch+json"}
    answer = account.http.post("/v1/events", content=b"[" + b",".join([good, *bad]) + b"]", headers=batch)
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
    assert [(each["index"], each["code"]) for each in answer.json()["refused"]] == [
        (1, "invalid_json"),
        (2, "invalid_json"),
    ]
    alone = [
        ("/v1/events", bad[1], {"content-type": "application/cloudevents+json"}),
        ("/v1/check", b'{"customer_id":"w\xe9","resource_key":"k"}', JSON),
        ("/v1/checks", b'{"customer_ids":["w\xe9"],"resource_keys":["k"]}', JSON),
    ]
    for path, body, headers in alone:
        answer = account.http.post(path, content=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_json"), (path, answer.text)


NO_JSON = (
    b'{"customer_id":"c",',
    b"",
    b"nonsense",
    b'{"quantity": NaN}',
    b'{"quantity": 01}',
    b'{"a": "\xe9"}',
    b"[" * 3_000,
)
#: Valid JSON with a number that nothing here can hold.
OUT_OF_RANGE = (b"1e400", b"-1e400", b"1" + b"0" * 5_000, b"18446744073709551616")


def test_what_is_no_json_has_one_code_and_a_number_out_of_range_another(account: Any) -> None:
    """On every route that takes a body, whichever decoder reads it."""
    event = {"content-type": "application/cloudevents+json"}
    routes = [
        ("/v1/check", JSON),
        ("/v1/checks", JSON),
        ("/v1/usage", JSON),
        ("/v1/usage/batch", JSON),
        ("/v1/reservations", JSON),
    ]
    routes += [("/v1/commands/OpenPool", JSON), ("/v1/keys", JSON), ("/v1/events", event)]
    for path, headers in routes:
        for body in NO_JSON:
            answer = account.http.post(path, content=body, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_json"), (path, body[:30], answer.text)
    used = b'"customer_id":"c","resource_key":"k","quantity":'
    for number in OUT_OF_RANGE:
        for path, body in (
            ("/v1/check", b"{%s%s}"),
            ("/v1/usage", b"{%s%s}"),
            ("/v1/usage/batch", b'{"usage":[{%s%s}]}'),
            ("/v1/reservations", b"{%s%s}"),
            ("/v1/events", b'{"id":"e","source":"s","type":"t","specversion":"1.0","data":{%s%s}}'),
        ):
            headers = event if path == "/v1/events" else JSON
            answer = account.http.post(path, content=body % (used, number), headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_quantity"), (
                path,
                number[:9],
                answer.text,
            )
            assert "quantity" in answer.json()["errors"][0]["at"]
        answer = account.http.post(
            "/v1/keys", content=b'{"scopes":["read"],"requests_per_s":%s}' % number, headers=JSON
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


@pytest.mark.parametrize("at", ["1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z", "1970-01-01T01:00:00.0009+01:00"])
def test_usage_from_before_1970_and_the_epoch_itself_count_nowhere(account: Any, at: str) -> None:
    """Clients send the epoch for an instant that they never set: it is no usage of now."""
    body = {"customer_id": account.customer_id, "resource_key": "api_calls", "mode": "report"}
    event = {"id": "e", "source": "/s", "type": "t", "specversion": "1.0", "subject": account.customer_id, "time": at}
    event |= {"data": {"resource_key": "api_calls"}}
    correction = {"pool_id": account.pool_id, "resource_key": "api_calls", "adjustment": 1, "reason": "forgotten"}
    answers = [
        account.http.post("/v1/usage", json=body | {"occurred_at": at}),
        account.http.post("/v1/usage/batch", json={"usage": [body | {"occurred_at": at}]}).json()["results"][0],
        account.http.post("/v1/events", json=event, headers={"content-type": "application/cloudevents+json"}),
        account.http.post("/v1/commands/CorrectUsage", json=correction | {"occurred_at": at}),
    ]
    said = [answer if isinstance(answer, dict) else answer.json() for answer in answers]
    assert [each.get("code") for each in said] == ["invalid_instant"] * 4, said
    assert account.check("api_calls")["consumed"] == 0


def test_what_is_nested_deep_is_refused_and_not_followed_down(account: Any) -> None:
    def nested(before: str, inner: str, count: int) -> str:
        return before * count + inner + "}" * count

    condition = '{"field":"customer.id","operator":"exists"}'
    policy = '{"policy_id":"deep","effect":"DENY","priority":1,"resource_keys":["x"],"conditions":[%s]}'
    asked = f'"customer_id":"{account.customer_id}","resource_key":"sso"'
    decision = f'{{{asked},"allowed":true,"reason_code":"allowed","source":"LOCAL","decided_at":"2026-01-01T00:00:00Z",'
    said = []
    for count in (240, 500, 1_000):
        deep = nested('{"not":', condition, count)
        context = '"context":{"metadata":%s}}' % nested('{"a":', "1", count)  # noqa: UP031
        said += [
            account.http.put("/v1/policies/deep", content=policy % deep, headers=JSON),
            account.http.post(
                "/v1/policies/dry-run", content=f'{{{asked},"policies":[{policy % deep}]}}', headers=JSON
            ),
        ]
        for path, body in (
            ("/v1/policies/dry-run", f"{{{asked},{context}"),
            ("/v1/check", f"{{{asked},{context}"),
            ("/v1/access-log", f'{{"decisions":[{decision}{context}]}}'),
        ):
            answer = account.http.post(path, content=body, headers=JSON)
            assert answer.status_code in {200, 422}, (count, path, answer.text)
    assert [answer.status_code for answer in said] == [422] * 6, [answer.text for answer in said]
    shallow = nested('{"not":', condition, 10)
    answer = account.http.post(
        "/v1/policies/dry-run", content=f'{{{asked},"policies":[{policy % shallow}]}}', headers=JSON
    )
    assert (answer.status_code, answer.json()["mistake"]) == (422, "too_deep"), answer.text


def test_a_reported_decision_about_no_customer_is_refused_alone(account: Any) -> None:
    good = {"customer_id": account.customer_id, "resource_key": "sso", "allowed": True, "reason_code": "allowed"}
    good |= {"source": "LOCAL", "decided_at": datetime.now(UTC).isoformat()}
    for wrong in (["w"], {"w": 1}, None, 1):
        answer = account.http.post("/v1/access-log", json={"decisions": [good, good | {"customer_id": wrong}]})
        assert answer.status_code == 200, answer.text
        assert [each["index"] for each in answer.json()["refused"]] == [1]


def test_a_number_that_the_log_cannot_hold_is_refused_by_its_place(account: Any) -> None:
    body = {"pool_id": account.pool_id, "provision_id": "p", "source": "subscription", "set_id": "free"}
    for field in ("rung", "set_version"):
        answer = account.http.post("/v1/commands/ProvisionPool", json=body | {field: 2**53 + 1})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["errors"] == [{"at": f"body.{field}", "message": "must be at most 2147483647"}]


@pytest.mark.parametrize(
    "path", ["/v1/check", "/v1/checks", "/v1/usage", "/v1/events", "/v1/policies/dry-run", "/v1/commands/OpenPool"]
)
def test_a_body_that_is_said_to_be_no_utf_8_is_not_read_as_such(account: Any, path: str) -> None:
    for said in ("application/json; charset=iso-8859-1", 'application/json;charset="UTF-16"'):
        answer = account.http.post(path, content="{}", headers={"content-type": said})
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type"), answer.text
    answer = account.http.post(path, content="{}", headers={"content-type": 'application/json; charset="utf-8"'})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "context",
    [
        {"unknown": 1}, {"client": {"ip_adress": "203.0.113.7"}}, {"client": {"ip_address": 5}}, {"client": []},
        {"resource": {"kind": "report"}}, {"resource": {"id": 7}},
    ],
)  # fmt: skip
def test_a_context_is_read_as_strictly_as_the_rest_of_a_body(account: Any, context: dict[str, Any]) -> None:
    asked = {"customer_id": account.customer_id, "resource_key": "sso"}
    for path, body in (
        ("/v1/check", asked | {"context": context}),
        ("/v1/checks", {"checks": [asked | {"context": context}]}),
        ("/v1/policies/dry-run", asked | {"context": context}),
    ):
        answer = account.http.post(path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), (path, answer.text)
    free = {"client": {"ip_address": None}, "resource": None, "customer": {"any": [1]}, "metadata": {"any": {"x": 1}}}
    assert account.http.post("/v1/check", json=asked | {"context": free}).status_code == 200


def test_a_position_in_a_partition_that_there_is_not_is_refused_at_once(account: Any) -> None:
    began = time.monotonic()
    for path in ("/v1/pools", "/v1/policy-set"):
        answer = account.http.get(path, headers={"entitlements-consistency": f"{account.token},999999:1"})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_consistency_token"), answer.text
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("value", ["1", "yes", "TRUE", "on", "t", ""])
def test_nothing_but_true_and_false_is_a_truth_value(account: Any, value: str) -> None:
    assert account.http.get("/v1/sets", params={"all_versions": value}).status_code == 422
    assert account.http.get("/v1/sets", params={"all_versions": "true"}).status_code == 200
    assert account.http.get("/v1/sets", params={"all_versions": "false"}).status_code == 200


def test_what_is_not_there_is_said_with_what_is(account: Any) -> None:
    missing = account.http.get("/v1/pool")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert missing.json()["detail"] == "There is no path /v1/pool. See GET /openapi.json."
    wrong = account.http.request("PATCH", "/v1/pools")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
    assert wrong.json()["detail"] == "PATCH is not allowed on /v1/pools. Allowed: GET."


def test_a_command_with_nothing_in_it_is_told_all_that_is_missing(account: Any) -> None:
    answer = account.http.post("/v1/commands/StartTrial", json={}).json()
    assert len(answer["errors"]) > 5
    assert f"; and {len(answer['errors']) - 5} more, see errors." in answer["detail"]


def test_a_compressed_body_is_refused_with_what_to_do(account: Any) -> None:
    body = gzip.compress(json.dumps({"customer_id": account.customer_id, "resource_key": "sso"}).encode())
    answer = account.http.post("/v1/check", content=body, headers=JSON | {"content-encoding": "gzip"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "uncompressed" in answer.json()["detail"]
