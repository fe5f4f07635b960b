"""GET /v1/changes: told as it happens, resumed where a client stood, nobody else's."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from queue import Empty, Queue
from typing import Any

import httpx
from confluent_kafka import Producer
from tests.integration.api.conftest import STREAMS_MAX
from tests.serving import OPERATOR

from entitlements.domain.governance_commands import RevokeApiKey
from entitlements.ledger.caller import new_id
from entitlements_schemas import Wire


class Stream:
    """What somebody hears."""

    def __init__(self, client: httpx.Client, last: str = "", **query: Any) -> None:
        self.events: Queue[tuple[str, str, Any]] = Queue()
        self._response = client.send(
            client.build_request("GET", "/v1/changes", params=query, headers={"last-event-id": last} if last else {}),
            stream=True,
        )
        assert self._response.status_code == 200, self._response.read()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            for line in self._response.iter_lines():
                name, _, value = line.partition(": ")
                if line:
                    fields[name] = value
                elif "event" in fields:
                    self.events.put((fields["id"], fields["event"], json.loads(fields["data"])))
                    fields = {}
        except httpx.HTTPError:
            pass

    def next(self, event: str, within: float = 10.0, **facts: Any) -> tuple[str, Any]:
        """The next of a kind with these facts; what comes before is passed over."""
        while True:
            place, kind, data = self.events.get(timeout=within)
            if kind == event and facts.items() <= data.items():
                return place, data

    def hears_nothing_of(self, customer_id: str, for_so_long: float = 1.0) -> None:
        try:
            while True:
                _, kind, data = self.events.get(timeout=for_so_long)
                assert kind != "change" or data["customer_id"] != customer_id
        except Empty:
            pass

    def hears_nothing_of_others(self, organization_id: str, for_so_long: float = 0.5) -> None:
        try:
            while True:
                _, _, data = self.events.get(timeout=for_so_long)
                assert data.get("organization_id") in {None, organization_id}
        except Empty:
            pass

    def close(self) -> None:
        self._response.close()


@contextmanager
def listening(client: httpx.Client, last: str = "", **query: Any) -> Iterator[Stream]:
    stream = Stream(client, last, **query)
    try:
        yield stream
    finally:
        stream.close()


def test_a_revocation_is_told_with_its_position(account: Any) -> None:
    with listening(account.http) as stream:
        stream.next("hello")
        token = account.command("EndProvision", provision_id="plan", when="now")
        _, change = stream.next("change", type="entitlement.revoked", resource_key="sso")
    assert (change["customer_id"], change["position"]) == (account.customer_id, token)


def test_foreign_records_stop_nobody(service: Any, account: Any) -> None:
    event = {
        "originator_id": "p",
        "originator_version": 1,
        "timestamp": 0,
        "command_id": "c",
        "reason": "",
        "actor": "",
    }
    producer = Producer({"bootstrap.servers": service.settings.kafka})
    for value in (b"rubbish", Wire().encode_plain("entitlements.events.PoolSuspended", event)):
        for partition in range(service.settings.partitions):
            producer.produce(service.settings.topic("changes"), value, partition=partition)
    assert producer.flush(10) == 0
    with listening(account.http) as stream:
        stream.next("hello")
        account.command("SuspendPool")
        stream.next("change", type="entitlement.revoked", resource_key="sso")


def test_whoever_was_cut_off_goes_on_where_it_stood(account: Any) -> None:
    with listening(account.http) as stream:
        place, _ = stream.next("hello")
    account.command("SuspendPool")
    account.command("ResumePool")
    with listening(account.http, place) as stream:
        first, _ = stream.next("change", type="entitlement.revoked", resource_key="sso")
        stream.next("change", type="entitlement.granted", resource_key="sso")
    with listening(account.http, first) as stream:
        stream.next("change", type="entitlement.granted", resource_key="sso")


def test_a_place_that_is_not_kept_is_said(account: Any) -> None:
    with listening(account.http, "c0:999999999") as stream:
        stream.next("reset")
    assert account.http.get("/v1/changes", headers={"last-event-id": "x"}).status_code == 422


def test_nobody_hears_of_another_organization(account: Any, rival: Any) -> None:
    with listening(rival.http) as stream, listening(rival.http, customer_id=account.customer_id) as asking:
        stream.next("hello")
        account.command("EndProvision", provision_id="plan", when="now")
        account.http.put("/v1/policies/one", json={"effect": "DENY", "resource_keys": ["sso"]})
        rival.command("EndProvision", provision_id="plan", when="now")
        stream.next("change", customer_id=rival.customer_id)
        for heard in (stream, asking):
            heard.hears_nothing_of(account.customer_id)


def test_customers_of_one_id_hear_each_of_its_own_organization(account: Any, rival: Any) -> None:
    """granted, revoked and quota.exceeded are told as each one's own history says, whatever the other one has."""
    customer = account.customer_id
    with listening(account.http) as ours, listening(rival.http, customer_id=customer) as theirs:
        ours.next("hello")
        theirs.next("hello")
        rival.command("AssignWorkspace", workspace_id=customer, role="primary")
        of_rival = {"organization_id": rival.organization_id, "customer_id": customer}
        theirs.next("change", type="entitlement.granted", resource_key="sso", **of_rival)
        body = {"customer_id": customer, "pool_id": rival.pool_id, "resource_key": "api_calls", "quantity": 101}
        assert rival.http.post("/v1/usage", json=body).status_code == 409
        theirs.next("change", type="quota.exceeded", **of_rival)
        account.command("EndProvision", provision_id="plan", when="now")
        _, first = ours.next("change")
        assert (first["organization_id"], first["customer_id"]) == (account.organization_id, customer)
        assert first["type"] == "entitlement.revoked"
        rival.command("UnassignWorkspace", workspace_id=customer)
        theirs.next("change", type="entitlement.revoked", resource_key="sso", **of_rival)
        ours.hears_nothing_of_others(account.organization_id)


def test_policies_that_change_are_told(account: Any) -> None:
    with listening(account.http) as stream:
        stream.next("hello")
        account.http.put("/v1/policies/one", json={"effect": "DENY", "resource_keys": ["sso"]})
        stream.next("policies", policy_id="one")


def test_a_stream_ends_with_the_key_it_was_asked_with(service: Any, account: Any) -> None:
    made = account.http.post("/v1/keys", json={"scopes": ["read"]})
    headers = {"authorization": f"Bearer {made.json()['key']}"}
    with (
        httpx.Client(base_url=service.url, headers=headers, timeout=20.0) as client,
        client.stream("GET", "/v1/changes") as stream,
    ):
        assert stream.status_code == 200, stream.read()
        assert account.http.delete(f"/v1/keys/{made.json()['key_id']}").status_code == 200
        # Sooner than the next sign of life, and than a key is honoured that the read model knows to be revoked.
        timer = threading.Timer(10.0, stream.close)
        timer.start()
        heard = stream.read().decode()
        assert timer.is_alive(), "it went on"
        timer.cancel()
    assert "event: hello" in heard


def test_a_stream_of_a_key_that_acts_for_others_hears_of_the_organization_it_named_and_ends_with_its_key(
    service: Any, account: Any, rival: Any
) -> None:
    key = service.key(OPERATOR, ("read",), act_for=[account.organization_id, rival.organization_id])
    with (
        service.client_with(key, account.organization_id) as for_account,
        service.client_with(key, rival.organization_id) as for_rival,
        listening(for_account) as of_account,
        for_rival.stream("GET", "/v1/changes") as of_rival,
    ):
        of_account.next("hello")
        rival.command("SuspendPool")
        account.command("SuspendPool")
        of_account.next("change", customer_id=account.customer_id)
        of_account.hears_nothing_of(rival.customer_id)
        service.do(RevokeApiKey(command_id=new_id(), organization_id=OPERATOR, key_id=key.split("_")[1]))
        timer = threading.Timer(20.0, of_rival.close)
        timer.start()
        heard = of_rival.read().decode()
        assert timer.is_alive(), "it went on"
        timer.cancel()
        assert for_account.get("/v1/policy-set").status_code == 401
    assert rival.customer_id in heard
    assert account.customer_id not in heard


def test_a_key_of_a_unit_hears_of_its_customers_alone(service: Any, account: Any) -> None:
    inside = f"{account.customer_id}-in"
    for name, sent in (
        ("DefineUnit", {"unit_id": "emea"}),
        ("PlaceWorkspace", {"workspace_id": inside, "unit_id": "emea"}),
    ):
        assert account.http.post(f"/v1/commands/{name}", json=sent).is_success
    account.command("AssignWorkspace", workspace_id=inside, role="primary")
    with service.client_with(account.key("read", unit_id="emea")) as client, listening(client) as stream:
        stream.next("hello")
        account.command("SuspendPool")
        stream.next("change", customer_id=inside)
        stream.hears_nothing_of(account.customer_id)


def test_an_organization_has_so_many_streams_and_no_more(account: Any, rival: Any) -> None:
    with ExitStack() as stack:
        for _ in range(STREAMS_MAX - 1):
            stack.enter_context(listening(account.http)).next("hello")
        with account.http.stream("GET", "/v1/changes") as last:
            lines = last.iter_lines()  # httpx ends a stream with whoever reads its lines.
            assert next(lines)
            answer = account.http.get("/v1/changes")
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_streams")
            assert answer.headers["retry-after"]
            with listening(rival.http) as another:
                another.next("hello")
        until = time.monotonic() + 20.0
        while not is_let_in(account.http):
            assert time.monotonic() < until, "a stream that ended is still counted"
            time.sleep(0.05)


def is_let_in(client: httpx.Client) -> bool:
    with client.stream("GET", "/v1/changes") as answer:
        return answer.is_success
