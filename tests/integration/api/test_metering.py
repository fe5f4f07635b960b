"""Usage and reservations over HTTP: strict under concurrency, one effect for every idempotency key, refusals with stable codes."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from tests.integration.api.conftest import QUOTA
from tests.serving import OPERATOR
from tests.standing_still import standing_still

CALLS = "api_calls"


def usage(account: Any, quantity: int = 1, **more: Any) -> dict[str, Any]:
    return {"customer_id": account.customer_id, "resource_key": CALLS, "quantity": quantity} | more


def consumed(account: Any, *answers: httpx.Response) -> int:
    token = ",".join(answer.headers["entitlements-consistency"] for answer in answers)
    return int(account.check(CALLS, token)["consumed"])


def many(account: Any, count: int, send: Any) -> list[httpx.Response]:
    with ThreadPoolExecutor(50) as threads:
        return list(threads.map(send, range(count)))


def test_of_two_hundred_callers_on_one_unit_one_succeeds(account: Any) -> None:
    assert account.http.post("/v1/usage", json=usage(account, 99)).status_code == 200
    answers = many(account, 200, lambda _: account.http.post("/v1/usage", json=usage(account)))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    refusals = {(a.status_code, a.json()["code"], a.json()["remaining"]) for a in answers if a is not won[0]}
    assert refusals == {(409, "quota_exceeded", 0)}
    assert consumed(account, *won) == 100


def test_a_thousand_repeats_have_one_effect_and_identical_answers(account: Any) -> None:
    key = {"idempotency-key": secrets.token_hex(8)}
    answers = many(account, 1_000, lambda _: account.http.post("/v1/usage", json=usage(account, 7), headers=key))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert sum(answer.headers.get("idempotent-replay") != "true" for answer in answers) == 1
    assert consumed(account, answers[0]) == 7


def test_the_same_key_with_another_body_is_an_error(account: Any) -> None:
    key = {"idempotency-key": secrets.token_hex(8)}
    assert account.http.post("/v1/usage", json=usage(account, 1), headers=key).status_code == 200
    answer = account.http.post("/v1/usage", json=usage(account, 2), headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")
    command = {"pool_id": account.pool_id, "reason": "paused"}
    key = {"idempotency-key": secrets.token_hex(8)}
    assert account.http.post("/v1/commands/SuspendPool", json=command, headers=key).status_code == 200
    again = account.http.post("/v1/commands/SuspendPool", json=command, headers=key)
    assert (again.status_code, again.headers["idempotent-replay"]) == (200, "true")
    answer = account.http.post("/v1/commands/SuspendPool", json=command | {"reason": "other"}, headers=key)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_a_retry_by_another_api_key_is_the_same_request(account: Any, service: Any) -> None:
    """A key may be rotated between a request and its retry."""
    command, key = {"pool_id": account.pool_id, "reason": "paused"}, {"idempotency-key": secrets.token_hex(8)}
    assert account.http.post("/v1/commands/SuspendPool", json=command, headers=key).status_code == 200
    with service.client_with(account.key("administer")) as rotated:
        again = rotated.post("/v1/commands/SuspendPool", json=command, headers=key)
        other = rotated.post("/v1/commands/SuspendPool", json=command | {"reason": "other"}, headers=key)
    assert (again.status_code, again.headers.get("idempotent-replay")) == (200, "true"), again.text
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_a_header_in_two_lines_is_a_list_of_tokens_and_no_two_keys(account: Any) -> None:
    recorded = account.http.post("/v1/usage", json=usage(account))
    name, token = "entitlements-consistency", recorded.headers["entitlements-consistency"]
    beyond = ",".join(f"{part.partition(':')[0]}:999999999" for part in token.split(","))
    asked = {"customer_id": account.customer_id, "resource_key": CALLS}
    for lines in ([(name, token), (name, beyond)], [(name, beyond), (name, token)]):
        answer = account.http.post("/v1/check", json=asked, headers=lines)
        assert (answer.status_code, answer.json()["code"]) == (409, "not_reached_yet"), "the farther of both counts"
    answer = account.http.post("/v1/check", json=asked, headers=[(name, token), (name, token)])
    assert answer.json()["consumed"] == 1
    keys = [("idempotency-key", "a"), ("idempotency-key", "b")]
    answer = account.http.post("/v1/usage", json=usage(account), headers=keys)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_plan_that_was_named_is_the_same_request_after_it_has_a_new_version(account: Any, service: Any) -> None:
    """Billing retries what it asked for, whatever the catalogue says by now."""
    name, key = f"plan-{account.pool_id}", {"idempotency-key": secrets.token_hex(8)}
    asked = {"pool_id": account.pool_id, "provision_id": name, "source": "subscription", "set_id": name}
    answers = []
    with service.client(OPERATOR) as operator:
        for amount in (5, 7):
            body = {"set_id": name, "name": name, "rules": [{**QUOTA, "amount": amount}]}
            defined = operator.post("/v1/commands/DefineEntitlementSet", json=body)
            token = {"entitlements-consistency": defined.headers["entitlements-consistency"]}
            assert operator.get(f"/v1/sets/{name}", headers=token).is_success
            answers.append(account.http.post("/v1/commands/ProvisionPool", json=asked, headers=key))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert [answer.headers.get("idempotent-replay") for answer in answers] == [None, "true"]
    other = account.http.post("/v1/commands/ProvisionPool", json=asked | {"set_version": 2}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


def test_what_has_happened_is_recorded_above_the_limit(account: Any) -> None:
    refused = account.http.post("/v1/usage", json=usage(account, 101))
    assert (refused.status_code, refused.json()["remaining"]) == (409, 100)
    answer = account.http.post("/v1/usage", json=usage(account, 101, mode="report"))
    assert answer.status_code == 200
    assert consumed(account, answer) == 101


def test_many_usages_are_decided_each_by_itself(account: Any) -> None:
    body = {
        "usage": [usage(account, 60), usage(account, 60), usage(account, 40, customer_id="nobody"), usage(account, 40)]
    }
    key = {"idempotency-key": secrets.token_hex(8)}
    first = account.http.post("/v1/usage/batch", json=body, headers=key)
    codes = [result.get("code", "recorded") for result in first.json()["results"]]
    assert sorted(codes) == ["quota_exceeded", "recorded", "recorded", "unknown_customer"]
    assert codes[2] == "unknown_customer"
    again = account.http.post("/v1/usage/batch", json=body, headers=key)
    recorded = [result for result in first.json()["results"] if "code" not in result]
    assert [result for result in again.json()["results"] if "code" not in result] == recorded
    assert consumed(account, again) == 100


def with_another_pool(account: Any) -> tuple[str, str]:
    """A second pool, into which the account's customer overflows, and a position with both."""
    other = f"{account.pool_id}-more"
    again = {"workspace_id": account.customer_id, "role": "primary", "may_overflow": True}
    assigned = account.command("AssignWorkspace", **again)
    account.command("OpenPool", pool_id=other)
    account.command("ProvisionPool", pool_id=other, provision_id="plan", source="subscription", set_id="free")
    token = account.command("AssignWorkspace", pool_id=other, workspace_id=account.customer_id, role="secondary")
    return other, f"{token},{assigned}"


def test_usage_overflows_where_it_may_and_a_repeat_finds_it(account: Any) -> None:
    other, token = with_another_pool(account)
    account.http.post("/v1/usage", json=usage(account, 90), headers={"entitlements-consistency": token})
    key = {"idempotency-key": secrets.token_hex(8)}
    first = account.http.post("/v1/usage", json=usage(account, 20), headers=key)
    assert first.json()["pool_id"] == other
    account.command("ResetUsage", resource_key=CALLS, reason="there is room again")
    again = account.http.post("/v1/usage", json=usage(account, 20), headers=key)
    assert (again.content, again.headers["idempotent-replay"]) == (first.content, "true")


def test_a_repeat_counts_in_the_pool_that_took_it_however_it_is_sent(account: Any) -> None:
    other, token = with_another_pool(account)
    account.http.post("/v1/usage", json=usage(account, 90), headers={"entitlements-consistency": token})
    body, held = usage(account, 20, usage_id="u"), usage(account, 30, reservation_id="r", expires_in=60)
    first = account.http.post("/v1/usage", json=body)
    assert [first.json()["pool_id"], account.http.post("/v1/reservations", json=held).json()["pool_id"]] == [other] * 2
    before = usage_of(account, other, account.command("ResetUsage", resource_key=CALLS, reason="there is room again"))
    assert before == {account.pool_id: (0, []), other: (20, ["r"])}
    later = {"prefer": "respond-async"}
    assert account.http.post("/v1/usage", json=body, headers=later).status_code == 202
    assert account.http.post("/v1/reservations", json=held, headers=later).status_code == 202
    reported = account.http.post("/v1/usage", json=body | {"mode": "report"})
    assert reported.json()["code"] == "idempotency_key_reused"
    again = account.http.post("/v1/usage", json=body)
    assert (again.json()["pool_id"], again.headers["idempotent-replay"]) == (other, "true")
    # Commands to the first pool are decided in their order: what was sent before this one is in its answer.
    token = account.command("ResetUsage", resource_key=CALLS, reason="all that was sent is decided")
    assert usage_of(account, other, f"{token},{again.headers['entitlements-consistency']}") == before


def test_a_repeat_counts_once_though_another_pool_comes_first_by_now(account: Any) -> None:
    """With no overflow either: the first pool had nothing of the key, or became the first later."""
    event = {"id": "e", "source": "/s", "type": "t", "specversion": "1.0", "subject": account.customer_id}
    event |= {"data": {"resource_key": CALLS, "quantity": 3}}
    binary = {"content-type": "application/cloudevents+json"}
    account.http.post("/v1/events", json=event, headers=binary)
    account.http.post("/v1/usage", json=usage(account, 4, usage_id="u"))
    other = f"{account.pool_id}-a"
    account.command("OpenPool", pool_id=other)
    account.command("ProvisionPool", pool_id=other, provision_id="plan", source="subscription", set_id="free")
    first = account.command("AssignWorkspace", workspace_id=account.customer_id, role="secondary")
    token = account.command("AssignWorkspace", pool_id=other, workspace_id=account.customer_id, role="primary")
    both = {"entitlements-consistency": f"{first},{token}"}
    new = account.http.post("/v1/usage", json=usage(account, 1), headers=both)
    assert new.json()["pool_id"] == other, "it comes first by now"
    answers = [
        account.http.post("/v1/events", json=event, headers=binary | both),
        account.http.post("/v1/usage", json=usage(account, 4, usage_id="u"), headers=both),
    ]
    assert [answer.headers.get("idempotent-replay") for answer in answers] == ["true", "true"]
    token = ",".join(answer.headers["entitlements-consistency"] for answer in (new, *answers))
    assert usage_of(account, other, token) == {account.pool_id: (7, []), other: (1, [])}


def usage_of(account: Any, other: str, token: str) -> dict[str, tuple[int, list[str]]]:
    """What both pools have consumed, and the reservations that they hold."""
    found = {}
    for pool_id in (account.pool_id, other):
        said = account.http.get(f"/v1/pools/{pool_id}", headers={"entitlements-consistency": token}).json()
        consumed = sum(each["consumed"] or 0 for each in said["entitlements"] if each["resource_key"] == CALLS)
        found[pool_id] = (consumed, [each["reservation_id"] for each in said["reservations"]])
    return found


def test_a_reservation_overflows_where_it_may_and_a_repeat_finds_it(account: Any) -> None:
    other, token = with_another_pool(account)
    account.http.post("/v1/usage", json=usage(account, 90), headers={"entitlements-consistency": token})
    key, body = {"idempotency-key": secrets.token_hex(8)}, usage(account, 20, expires_in=60)
    first = account.http.post("/v1/reservations", json=body, headers=key)
    assert first.json()["pool_id"] == other
    account.command("ResetUsage", resource_key=CALLS, reason="there is room again")
    again = account.http.post("/v1/reservations", json=body, headers=key)
    assert (again.content, again.headers["idempotent-replay"]) == (first.content, "true")
    of_other = {"pool_id": other, "quantity": 20, "final": True}
    account.http.post(f"/v1/reservations/{first.json()['reservation_id']}/commit", json=of_other)
    again = account.http.post("/v1/reservations", json=body, headers=key)
    assert (again.content, again.headers["idempotent-replay"]) == (first.content, "true"), "after it is over, too"


def test_long_keys_of_many_that_end_in_another_way_are_two(account: Any) -> None:
    body, begins = {"usage": [usage(account, 7)]}, f"{secrets.token_hex(8)}-".ljust(127, "k")
    answers = [
        account.http.post("/v1/usage/batch", json=body, headers={"idempotency-key": begins + ends}) for ends in "aba"
    ]
    assert [answer.headers.get("idempotent-replay") for answer in answers] == [None, None, "true"]
    assert answers[0].json() == answers[2].json()
    assert consumed(account, *answers) == 14


def test_a_lease_is_drawn_down_extended_and_given_back(account: Any) -> None:
    body = usage(account, 30, expires_in=60, lease=True)
    lease = account.http.post("/v1/reservations", json=body, headers={"idempotency-key": "lease-1"}).json()
    assert (lease["quantity"], lease["pool_id"]) == (30, account.pool_id)
    assert account.http.post("/v1/reservations", json=body, headers={"idempotency-key": "lease-1"}).json() == lease
    assert account.http.post("/v1/usage", json=usage(account, 71)).json()["remaining"] == 70
    url, of_pool = f"/v1/reservations/{lease['reservation_id']}", {"pool_id": account.pool_id}
    commit = account.http.post(f"{url}/commit", json=of_pool | {"quantity": 10, "usage_id": "c-1"})
    assert commit.json()["status"] == "committed"
    assert account.http.post(f"{url}/extend", json=of_pool | {"expires_in": 120}).json()["status"] == "extended"
    released = account.http.post(f"{url}/release", json=of_pool)
    found = account.check(CALLS, released.headers["entitlements-consistency"])
    assert (found["consumed"], found["remaining"]) == (10, 90)
    gone = account.http.post(f"{url}/commit", json=of_pool | {"quantity": 1})
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_reservation")


def test_a_reservation_that_does_not_fit_says_how_much_would(account: Any) -> None:
    assert account.http.post("/v1/usage", json=usage(account, 70)).status_code == 200
    body = {"customer_id": account.customer_id, "resource_key": "api_calls", "quantity": 31, "expires_in": 60}
    refused = account.http.post("/v1/reservations", json=body)
    assert (refused.status_code, refused.json()["code"], refused.json()["remaining"]) == (409, "quota_exceeded", 30)
    fits = account.http.post("/v1/reservations", json=body | {"quantity": 30})
    assert fits.status_code == 200
    more = {"pool_id": account.pool_id, "quantity": 31}
    url = f"/v1/reservations/{fits.json()['reservation_id']}/commit"
    assert account.http.post(url, json=more).json()["remaining"] == 0


def test_operations_on_reservations_go_together(account: Any) -> None:
    reserve = [{"op": "reserve", **usage(account, 40), "reservation_id": f"r-{n}"} for n in range(3)]
    first = account.http.post("/v1/reservations/batch", json={"operations": reserve}).json()["results"]
    assert sorted(result.get("code", "held") for result in first) == ["held", "held", "quota_exceeded"]
    held = [result["reservation_id"] for result in first if "code" not in result]
    operations = [
        {"op": "commit", "reservation_id": held[0], "pool_id": account.pool_id, "quantity": 40, "final": True},
        {"op": "release", "reservation_id": held[1], "pool_id": account.pool_id},
        {"op": "extend", "pool_id": account.pool_id, "expires_in": 5},
    ]
    second = account.http.post("/v1/reservations/batch", json={"operations": operations})
    results = second.json()["results"]
    assert [result.get("status") for result in results] == ["committed", "released", 422]
    assert consumed(account, second) == 40


def test_what_was_reserved_by_a_batch_under_a_key_is_found_by_its_id(account: Any) -> None:
    body, key = {"operations": [{"op": "reserve", **usage(account, 40)}]}, {"idempotency-key": secrets.token_hex(8)}
    (held,) = account.http.post("/v1/reservations/batch", json=body, headers=key).json()["results"]
    url = f"/v1/reservations/{quote(held['reservation_id'], safe='')}"
    committed = account.http.post(f"{url}/commit", json={"pool_id": account.pool_id, "quantity": 40, "final": True})
    assert committed.json()["reservation_id"] == held["reservation_id"]
    assert consumed(account, committed) == 40


def test_whoever_does_not_wait_gets_a_place_in_the_log(account: Any) -> None:
    headers = {"prefer": "respond-async"}
    answer = account.http.post("/v1/usage", json=usage(account, 5), headers=headers)
    assert (answer.status_code, answer.headers["preference-applied"]) == (202, "respond-async")
    (sent,) = answer.json()["commands"]
    assert sent["position"]["offset"] >= 0
    after = account.http.post("/v1/usage", json=usage(account, 1))  # Commands to one pool are decided in order.
    assert consumed(account, after) == 6


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"resource_key": CALLS}, 422, "invalid_request"),
        ({"customer_id": "nobody-at-all", "resource_key": CALLS}, 404, "unknown_customer"),
        ({"pool_id": "no-such-pool", "resource_key": CALLS}, 404, "unknown_pool"),
        ({"customer_id": "c", "resource_key": CALLS, "quantity": 0}, 422, "invalid_quantity"),
        ({"customer_id": "c", "resource_key": CALLS, "quantity": 2**53 + 1}, 422, "invalid_quantity"),
        ({"customer_id": "c", "resource_key": CALLS, "quantity": 1.5}, 422, "invalid_quantity"),
        ({"customer_id": "c" * 129, "resource_key": CALLS}, 422, "invalid_id"),
        ({"customer_id": "c", "resource_key": CALLS, "occurred_at": "2026-01-01T00:00:00"}, 422, "invalid_instant"),
    ],
)
def test_usage_that_cannot_be_meant_is_refused(account: Any, body: Any, status: int, code: str) -> None:
    answer = account.http.post("/v1/usage", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_that_is_no_json_is_refused(account: Any) -> None:
    for path in ("/v1/usage", "/v1/check", "/v1/events", "/v1/commands/SuspendPool"):
        headers = {"content-type": "application/cloudevents+json" if path == "/v1/events" else "application/json"}
        answer = account.http.post(path, content=b"{", headers=headers)
        assert answer.status_code in {400, 422}, path
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_of_no_type_that_is_known_is_refused(account: Any) -> None:
    answer = account.http.post("/v1/usage", content=b"{}", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


def test_no_answer_in_time_is_unknown_and_a_retry_under_its_key_has_one_effect(service: Any, account: Any) -> None:
    engine, key = service.supervisor.pids()["engine"], {"idempotency-key": secrets.token_hex(8)}
    with standing_still(engine):
        unknown = account.http.post("/v1/usage", json=usage(account, 3), headers=key)
    assert (unknown.status_code, unknown.json()["code"]) == (504, "outcome_unknown")
    assert unknown.json()["idempotency_key"] == key["idempotency-key"]
    assert unknown.json()["pool_id"] == account.pool_id
    assert unknown.headers["retry-after"]
    answer = account.http.post("/v1/usage", json=usage(account, 3), headers=key)
    assert answer.status_code == 200
    assert consumed(account, answer) == 3


def test_a_key_holds_for_commands_that_are_not_about_pools_too(account: Any) -> None:
    key = {"idempotency-key": "policy-1"}

    def define(priority: int, headers: dict[str, str] | None = None) -> httpx.Response:
        body = {"effect": "DENY", "resource_keys": ["exports"], "priority": priority}
        return account.http.put("/v1/policies/p", json=body, headers=headers)  # type: ignore[no-any-return]

    first = define(1, key)
    assert (first.status_code, first.headers.get("idempotent-replay")) == (200, None)
    assert define(2, key).json()["code"] == "idempotency_key_reused"
    newer = define(2)
    late = define(1, key)
    assert (late.content, late.headers["idempotent-replay"]) == (first.content, "true")
    token = {"entitlements-consistency": newer.headers["entitlements-consistency"]}
    (policy,) = account.http.get("/v1/policy-set", headers=token).json()["policies"]
    assert policy["priority"] == 2


def test_one_usage_more_under_the_key_of_a_batch_is_another_body(account: Any) -> None:
    key = {"idempotency-key": f"job-{secrets.token_hex(4)}"}
    two = account.http.post("/v1/usage/batch", json={"usage": [usage(account, 5)] * 2}, headers=key)
    first, second = (result["usage_id"] for result in two.json()["results"])
    assert (first, second[:1]) == (key["idempotency-key"], "~")
    # The ids that follow from a key are none that another key can have.
    for other in (f"{first}/1", f"{first}#1"):
        answer = account.http.post("/v1/usage", json=usage(account, 5), headers={"idempotency-key": other})
        assert "idempotent-replay" not in answer.headers
    again = account.http.post("/v1/usage/batch", json={"usage": [usage(account, 5)] * 2}, headers=key)
    assert (again.headers["idempotent-replay"], again.json()) == ("true", two.json())
    three = account.http.post("/v1/usage/batch", json={"usage": [usage(account, 5)] * 3}, headers=key)
    assert (three.status_code, three.json()["code"]) == (422, "idempotency_key_reused")
    assert consumed(account, answer) == 20
    body = {"pool_id": account.pool_id, "usage_id": second, "reason": "a mistake"}
    reversed_ = account.http.post("/v1/commands/ReverseUsage", json=body)
    assert consumed(account, reversed_) == 15
    for refused in (
        account.http.post("/v1/usage", json=usage(account, 5, usage_id=second)),
        account.http.post("/v1/usage", json=usage(account, 5), headers={"idempotency-key": second}),
        account.http.post("/v1/reservations", json=usage(account, 5, reservation_id="~r")),
        account.http.post(
            "/v1/commands/EndProvision",
            json={"pool_id": "p", "provision_id": "p", "when": "now"},
            headers={"idempotency-key": "~k"},
        ),
        account.http.post(
            "/v1/commands/IssueGrant",
            json={"pool_id": account.pool_id, "grant_id": "~g", "set_id": "free", "reason": "r"},
        ),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_id")


def test_another_subject_is_another_body(account: Any) -> None:
    assert account.http.post("/v1/usage", json=usage(account, 5, usage_id="k", subject_id="ann")).status_code == 200
    answer = account.http.post("/v1/usage", json=usage(account, 5, usage_id="k", subject_id="bob"))
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency_key_reused")


def test_a_set_is_provisioned_as_soon_as_its_definition_is_answered(account: Any, service: Any) -> None:
    with service.client(OPERATOR) as operator:
        for number in range(30):
            set_id = f"set-{secrets.token_hex(6)}"
            body = {"set_id": set_id, "name": set_id, "rules": [QUOTA]}
            defined = operator.post("/v1/commands/DefineEntitlementSet", json=body)
            headers = {"entitlements-consistency": defined.headers["entitlements-consistency"]}
            body = {"pool_id": account.pool_id, "provision_id": f"p-{number}", "source": "purchase", "set_id": set_id}
            answer = account.http.post("/v1/commands/ProvisionPool", json=body, headers=headers)
            assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("customer_id", [".", ".."])
def test_a_customer_that_no_path_can_name_is_refused(account: Any, customer_id: str) -> None:
    body = {"pool_id": account.pool_id, "workspace_id": customer_id, "role": "primary"}
    answer = account.http.post("/v1/commands/AssignWorkspace", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_id")


@pytest.mark.parametrize(
    "path", ["/v1/customers/a%FFb/entitlements", "/v1/pools/%C3%28", "/v1/access-log?customer_id=%FF"]
)
def test_what_is_no_utf_8_is_a_bad_request(account: Any, path: str) -> None:
    answer = account.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_path")
    assert answer.headers["content-type"] == "application/problem+json"
