"""A quiet organization is answered while its neighbours take all they can: a small share of `python -m bench fairness`, with room."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager

import httpx
import orjson
from bench import beside_large_work, fairness, neighbours, questions
from bench.latency import percentile
from tests.integration.api.conftest import STREAMS_MAX, Account
from tests.serving import Service

from entitlements.api.auth.limits import QUESTIONS_MAX
from entitlements.api.question_bodies import MANY_MAX
from entitlements.api.services import LIST_THREADS, THREADS
from entitlements.api.turns import WAITING_MAX
from entitlements_projections.database import connect

#: More than granian would hold by default.
SILENT = 1_100
SECONDS, PER_S = 4.0, 25.0
#: Questions of clients that wait for the answer.
STAYING = 4
#: A share of what they would wait for without the bounds, and many times what they wait on a machine that has nothing else to do.
P99_FOR_MAX = 1.5


def test_a_quiet_organization_is_answered_beside_neighbours_that_take_all_they_can(
    service: Service, account: Account, rival: Account
) -> None:
    service.do(*fairness.policies_of(rival.organization_id))
    quiet = account.key("read")
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


def test_long_questions_of_clients_that_have_gone_keep_no_place(service: Service, account: Account) -> None:
    """As many as may wait were asked by clients that gave up: without an end to those, nearly all that follow are refused."""
    service.do(*fairness.policies_of(account.organization_id))
    context = neighbours.worst_context()
    asked = {"customer_id": account.customer_id, "resource_key": "sso", "context": context}
    request = neighbours.request("POST /v1/check", account.key("read"), orjson.dumps(asked))
    account.check("sso", context=context)  # The policies are known here now.
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
        account.http.get("/v1/customers")  # There and back: it has heard by then that they have gone.
        staying = [threads.submit(account.http.post, "/v1/check", json=asked) for _ in range(STAYING)]
        assert [each.result().status_code for each in staying] == [200] * STAYING


def test_what_takes_long_is_bounded_and_beyond_that_refused(service: Service, account: Account) -> None:
    service.do(*fairness.policies_of(account.organization_id))
    asked = {"customer_id": account.customer_id, "resource_key": "sso", "context": neighbours.worst_context()}
    began = time.monotonic()
    answer = account.http.post("/v1/check", json=asked)
    assert answer.json()["allowed"] is True
    assert time.monotonic() - began < 10.0
    many = account.http.post("/v1/checks", json={"checks": [asked] * 3})
    assert [each["allowed"] for each in many.json()["decisions"]] == [True] * 3
    more = {"policy_id": "p-more"} | {k: v for k, v in neighbours.worst_policies()[0].items() if k != "policy_id"}
    refused = [account.http.put(f"/v1/policies/p-more-{n}", json=more | {"policy_id": f"p-more-{n}"}) for n in range(8)]
    assert refused[-1].json()["code"] == "too_many_policies"
    expensive = more | {"conditions": [*more["conditions"], *more["conditions"]]}
    answer = account.http.put("/v1/policies/p-more", json=expensive)
    assert (answer.status_code, answer.json()["mistake"]) == (422, "too_expensive")


@contextmanager
def locked(service: Service, *tables: str) -> Iterator[Callable[[str], int]]:
    """Let nobody read some read models; gives how many wait to read one of them."""
    with connect(service.settings.postgres) as connection, connection.transaction():
        connection.execute(f"lock table {', '.join(tables)} in access exclusive mode")

        def waiting(table: str) -> int:
            # Who reads; the projector may wait there to write.
            asked = "select count(*) from pg_locks where not granted and relation = %s::regclass and mode = 'AccessShareLock'"
            (count,) = connection.execute(asked, [table]).fetchone()  # type: ignore[misc]
            return int(count)

        yield waiting


def test_reads_of_one_organization_that_hang_leave_threads_to_others(
    service: Service, account: Account, rival: Account
) -> None:
    """More of them than there are threads, of either kind: they wait for tables that nobody else needs."""
    hanging = ["/v1/ladders/plans"] * (2 * THREADS) + ["/v1/usage"] * (2 * LIST_THREADS)
    expected = {"plan_ladders": THREADS // 2, "usage_events": LIST_THREADS // 2}
    with ThreadPoolExecutor(len(hanging)) as threads:
        with locked(service, *expected) as waiting:
            asked = [threads.submit(rival.http.get, path) for path in hanging]
            while any(waiting(table) < count for table, count in expected.items()):
                time.sleep(0.01)
            for number in range(5):
                unknown = account.http.post(
                    "/v1/check", json={"customer_id": f"n{number}", "resource_key": "sso"}, timeout=10.0
                )
                assert unknown.json()["allowed"] is False
                assert account.http.get("/v1/pools?limit=1", timeout=10.0).status_code == 200
                assert account.check("sso")["allowed"] is True
            assert {table: waiting(table) for table in expected} == expected
        assert {each.result().status_code for each in asked} == {200}


def test_questions_under_way_are_bounded_and_calls_of_the_most_fit(
    service: Service, account: Account, rival: Account
) -> None:
    def ask(number: int) -> httpx.Response:
        customer_ids = [f"{number}-{place}" for place in range(MANY_MAX)]
        return account.http.post("/v1/remaining", json={"customer_ids": customer_ids, "resource_keys": ["sso"]})

    fitting, small = QUESTIONS_MAX // MANY_MAX, {"customer_ids": ["c"], "resource_keys": ["sso"]}
    with ThreadPoolExecutor(fitting + 1) as threads:
        with locked(service, "workspace_pools"):
            asked = [threads.submit(ask, number) for number in range(fitting + 1)]
            refused = next(as_completed(asked)).result()
            assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
            assert refused.headers["retry-after"] == "1"
            for path in ("/v1/remaining", "/v1/checks"):
                assert account.http.post(path, json=small).status_code == 429
        answered = [each.result() for each in asked]
    assert sorted(each.status_code for each in answered) == [200] * fitting + [429]
    for number, each in enumerate(answered):
        if each.status_code == 200:
            found = [one["customer_id"] for one in each.json()["remaining"]]
            assert found == [f"{number}-{place}" for place in range(MANY_MAX)]
    for path in ("/v1/remaining", "/v1/checks"):
        assert account.http.post(path, json=small).status_code == 200
        assert rival.http.post(path, json=small).status_code == 200


def test_probes_are_answered_without_a_key(service: Service) -> None:
    with httpx.Client(base_url=service.url) as client:
        assert client.get("/readyz").status_code == 200


#: The largest calls that are allowed, of one organization; what it may ask is asked over as many connections as are given here.
LARGE = {"checks": 1, "usage": 1, "events": 1, "hot_events": 1, "reservations": 1, "dry_runs": 1}


def test_a_quiet_organization_is_answered_beside_the_largest_calls_of_another(
    service: Service, account: Account, rival: Account
) -> None:
    """All kinds at once. How soon is measured by `python -m bench large_work`: here only that nobody waits for the whole of a large call."""
    with ExitStack() as stack:
        key = rival.key("read", "use", "administer")
        counts = [
            stack.enter_context(beside_large_work.at_work(service.settings, key, kind, connections, rival.customer_id))
            for kind, connections in LARGE.items()
        ]
        quiet, waited = account.http, list[float]()
        until = time.monotonic() + 3 * SECONDS
        while time.monotonic() < until:
            for path, body in (
                ("/v1/check", {"customer_id": account.customer_id, "resource_key": "sso"}),
                ("/v1/usage", {"customer_id": account.customer_id, "resource_key": "api_calls", "mode": "report"}),
                ("/v1/checks", {"customer_ids": [account.customer_id] * 50, "resource_keys": ["sso"]}),
            ):
                began = time.monotonic()
                assert quiet.post(path, json=body).status_code == 200
                waited.append(time.monotonic() - began)
    assert any(counts)
    assert {status for each in counts for status in each} <= {"200"}
    assert percentile(waited, 95) < P99_FOR_MAX, sorted(waited)[-10:]
