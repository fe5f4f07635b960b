"""A quiet organization is answered while its neighbours take all they can: a small share of `python -m bench fairness`, with room."""

from __future__ import annotations

import select
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import orjson
from bench import fairness, neighbours, questions
from bench.latency import percentile
from tests.integration.api.conftest import STREAMS_MAX, Tenant
from tests.serving import Service

from entitlements.api.apart import WAITING_MAX

#: More than granian would hold by default.
SILENT = 1_100
SECONDS, PER_S = 4.0, 25.0
#: Questions of clients that wait for the answer.
STAYING = 4
#: A share of what they would wait for without the bounds, and many times what they wait on a machine that has nothing else to do.
P99_FOR_MAX = 1.5


def test_a_quiet_organization_is_answered_beside_neighbours_that_take_all_they_can(
    service: Service, tenant: Tenant, rival: Tenant
) -> None:
    service.do(*fairness.policies_of(rival.organization_id))
    quiet = tenant.key("read")
    with (
        fairness.neighbours(
            service.settings, rival.key("read"), SILENT, STREAMS_MAX, 10.0, customer=rival.customer_id
        ) as counts,
        fairness.probing(service.settings) as probes,
    ):
        waited = questions.asked(service.settings, quiet, SECONDS, PER_S).answered
    assert counts["silent"] >= SILENT * 0.9
    assert counts["streams"] == STREAMS_MAX
    assert probes
    assert percentile(waited, 99) < P99_FOR_MAX, sorted(waited)[-10:]


def test_long_questions_of_clients_that_have_gone_keep_no_place(service: Service, tenant: Tenant) -> None:
    """As many as may wait were asked by clients that gave up: without an end to those, nearly all that follow are refused."""
    service.do(*fairness.policies_of(tenant.organization_id))
    context = neighbours.worst_context()
    asked = {"customer_id": tenant.customer_id, "resource_key": "sso", "context": context}
    request = neighbours.request("POST /v1/check", tenant.key("read"), orjson.dumps(asked))
    tenant.check("sso", context=context)  # The policies are known here now.
    with ThreadPoolExecutor(STAYING) as threads:
        with ExitStack() as stack:
            leaving = [
                stack.enter_context(socket.create_connection((service.settings.api_host, service.settings.api_port)))
                for _ in range(WAITING_MAX + 5)
            ]
            for connection in leaving:
                connection.sendall(request)
            while not any(each.recv(12) == b"HTTP/1.1 429" for each in select.select(leaving, (), (), 10.0)[0]):
                pass
        tenant.http.get("/v1/customers")  # There and back: it has heard by then that they have gone.
        staying = [threads.submit(tenant.http.post, "/v1/check", json=asked) for _ in range(STAYING)]
        assert [each.result().status_code for each in staying] == [200] * STAYING


def test_what_takes_long_is_bounded_and_beyond_that_refused(service: Service, tenant: Tenant) -> None:
    service.do(*fairness.policies_of(tenant.organization_id))
    asked = {"customer_id": tenant.customer_id, "resource_key": "sso", "context": neighbours.worst_context()}
    began = time.monotonic()
    answer = tenant.http.post("/v1/check", json=asked)
    assert answer.json()["allowed"] is True
    assert time.monotonic() - began < 10.0
    many = tenant.http.post("/v1/checks", json={"checks": [asked] * 3})
    assert [each["allowed"] for each in many.json()["decisions"]] == [True] * 3
    more = {"policy_id": "p-more"} | {k: v for k, v in neighbours.worst_policies()[0].items() if k != "policy_id"}
    refused = [tenant.http.put(f"/v1/policies/p-more-{n}", json=more | {"policy_id": f"p-more-{n}"}) for n in range(8)]
    assert refused[-1].json()["code"] == "too_many_policies"
    expensive = more | {"conditions": [*more["conditions"], *more["conditions"]]}
    answer = tenant.http.put("/v1/policies/p-more", json=expensive)
    assert (answer.status_code, answer.json()["mistake"]) == (422, "too_expensive")


def test_probes_are_answered_without_a_key(service: Service) -> None:
    with httpx.Client(base_url=service.url) as client:
        assert client.get("/readyz").status_code == 200
