"""While the read models are behind the ledger nothing is called unknown for good: what is asked passes, and no repeat counts twice."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
from confluent_kafka import TopicPartition
from tests.faults.driving import eventually
from tests.serving import OPERATOR
from tests.standing_still import standing_still

from entitlements.ledger import clients
from entitlements.ledger.ends import TopicEnds

CALLS = "api_calls"
CONSISTENCY = "entitlements-consistency"


@contextmanager
def projector_stopped(service: Any) -> Iterator[None]:
    with standing_still(service.supervisor.pids()["projector"]):
        yield


def said(answer: httpx.Response) -> tuple[int, str, bool]:
    """Status, code, and whether the answer says when to try again."""
    return answer.status_code, answer.json().get("code", ""), "retry-after" in answer.headers


AWAY = (503, "server_is_away", True)


def with_another_pool(account: Any) -> str:
    other = f"{account.pool_id}-more"
    shared = {"workspace_id": account.customer_id, "role": "primary", "may_overflow": True}
    account.command("AssignWorkspace", **shared)
    account.command("OpenPool", pool_id=other)
    account.command("ProvisionPool", pool_id=other, provision_id="plan", source="subscription", set_id="free")
    account.token = account.command(
        "AssignWorkspace", pool_id=other, workspace_id=account.customer_id, role="secondary"
    )
    return other


def test_a_repeat_waits_for_the_read_models_where_a_customer_has_several_pools(service: Any, account: Any) -> None:
    other = with_another_pool(account)
    full = {"pool_id": account.pool_id, "resource_key": CALLS, "quantity": 100, "usage_id": "full"}
    token = account.http.post("/v1/usage", json=full).headers[CONSISTENCY]
    account.check(CALLS, f"{token},{account.token}")
    body, name = {"customer_id": account.customer_id, "resource_key": CALLS, "quantity": 7}, secrets.token_hex(4)
    event = {"specversion": "1.0", "type": "x", "source": "s", "id": name, "subject": account.customer_id, "data": body}
    batch = {"content-type": "application/cloudevents+json"}
    sends = {
        "usage": lambda: account.http.post("/v1/usage", json=body | {"usage_id": name}),
        "no answer": lambda: account.http.post(
            "/v1/usage", json=body | {"usage_id": f"{name}-2"}, headers={"prefer": "respond-async"}
        ),
        "reservation": lambda: account.http.post("/v1/reservations", json=body | {"reservation_id": name}),
        "event": lambda: account.http.post(
            "/v1/events", json=event | {"data": body | {"mode": "strict"}}, headers=batch
        ),
    }
    taken = [sends["usage"](), sends["reservation"]()]
    assert [answer.json()["pool_id"] for answer in taken] == [other, other]
    # The projector has not seen this yet when the repeat comes: nobody can say then which pool took it before.
    with projector_stopped(service), ThreadPoolExecutor(len(sends)) as threads:
        account.command("ReverseUsage", usage_id="full", reason="a test")
        answers = dict(zip(sends, threads.map(lambda send: send(), sends.values()), strict=True))
    assert {name: said(answer) for name, answer in answers.items()} == dict.fromkeys(sends, AWAY)
    again = eventually(lambda: (found := sends["usage"]()).is_success and found, within=20.0, every=0.1)
    assert (again.json()["pool_id"], again.headers["idempotent-replay"]) == (other, "true")
    assert sends["reservation"]().json()["pool_id"] == other


def test_who_was_made_just_now_is_not_unknown_for_good(service: Any, account: Any) -> None:
    name = secrets.token_hex(4)
    line = {"customer_id": f"new-{name}", "resource_key": CALLS, "mode": "report"}
    event = {"specversion": "1.0", "type": "x", "source": "s", "id": name, "subject": f"new-{name}", "data": line}
    everybody = service.key(OPERATOR, act_for="all")
    unit = {"organization_id": account.organization_id, "unit_id": "u", "name": "U"}
    assert account.http.post("/v1/commands/DefineUnit", json=unit).is_success
    unit_key = service.key(account.organization_id, ("read", "use"), unit_id="u")
    with (
        service.client_with(everybody, f"org-new-{name}") as made,
        service.client_with(unit_key) as of_unit,
        projector_stopped(service),
        ThreadPoolExecutor(5) as threads,
    ):
        account.command("AssignWorkspace", workspace_id=f"new-{name}", role="primary")
        assert made.post("/v1/commands/OpenPool", json={"pool_id": f"p-{name}"}).is_success
        assign = {"pool_id": f"p-{name}", "workspace_id": "x", "role": "primary"}
        asked: list[Any] = [
            lambda: account.http.post("/v1/usage", json=line),
            lambda: account.http.post(
                "/v1/events", json=event, headers={"content-type": "application/cloudevents+json"}
            ),
            lambda: made.post("/v1/commands/AssignWorkspace", json=assign),
            lambda: of_unit.post("/v1/usage", json=line),
            lambda: account.http.post("/v1/usage/batch", json={"usage": [line] * 600}),
        ]
        *answers, batch = threads.map(lambda ask: ask(), asked)
    assert [said(answer) for answer in answers] == [AWAY] * 4
    assert {(each["status"], each["code"]) for each in batch.json()["results"]} == {AWAY[:2]}
    assert batch.elapsed.total_seconds() < 9, "all lines of a request wait together"
    recorded = eventually(lambda: (found := asked[0]()).is_success and found, within=20.0, every=0.1)
    assert recorded.json()["pool_id"] == account.pool_id
    with service.client_with(everybody, f"org-new-{name}") as made:
        assert made.post("/v1/commands/AssignWorkspace", json=assign).is_success
    assert said(account.http.post("/v1/usage", json=line | {"customer_id": "nobody"})) == (
        404,
        "unknown_customer",
        False,
    )


def test_an_end_that_no_read_model_reaches_makes_nobody_wait_for_ever(service: Any, account: Any) -> None:
    """A rival's frame, as an engine leaves behind that was stopped: the same frame once more competes with the first."""
    repeat_the_last_frames(service.settings)
    nobody = {"customer_id": "nobody", "resource_key": CALLS}
    for within in (9.0, 1.5):  # Then it is known that nothing counts there.
        began = time.monotonic()
        answer = account.http.post("/v1/usage", json=nobody)
        assert said(answer) == (404, "unknown_customer", False), answer.text
        assert time.monotonic() - began < within
    with projector_stopped(service):
        account.command("AssignWorkspace", workspace_id="made-after-the-rival", role="primary")
        line = {"customer_id": "made-after-the-rival", "resource_key": CALLS}
        assert said(account.http.post("/v1/usage", json=line)) == AWAY
    assert eventually(lambda: account.http.post("/v1/usage", json=line).is_success, within=20.0, every=0.1)


def repeat_the_last_frames(settings: Any) -> None:
    topic, reader, producer = settings.topic("ledger"), clients.reader(settings), clients.producer(settings)
    ends = TopicEnds(settings, within_for=5.0).of("ledger", range(settings.partitions))
    try:
        reader.assign([TopicPartition(topic, number, end - 1) for number, end in ends.items() if end])
        left = {number for number, end in ends.items() if end}
        while left:
            message = reader.poll(10.0)
            assert message is not None
            assert message.error() is None
            if message.partition() in left:
                left.remove(message.partition())
                producer.produce(topic, message.value(), partition=message.partition(), headers=message.headers())
        assert producer.flush(10.0) == 0
    finally:
        reader.close()
