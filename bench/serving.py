"""The HTTP API of a whole installation: checks, ingestion of CloudEvents, and how soon a local client knows of a change.

Everything runs on this machine: broker, database, engine, publisher, projector, changes, one worker of the API, and who asks.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import selectors
import signal
import socket
import statistics
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import httpx
import orjson

from bench.place import FOLDER, Place
from entitlements import testing
from entitlements.domain.commands import (
    AssignWorkspace,
    DefineResourceKey,
    OpenPool,
    ProvisionPool,
)
from entitlements.domain.governance_commands import CreateApiKey
from entitlements.domain.plan_commands import SetOverride
from entitlements.domain.values import Rule
from entitlements.ledger.caller import Caller, new_id
from entitlements.local.folder import a_free_port
from entitlements.settings import Settings
from entitlements.wiring import addresses, preparing, readiness
from entitlements.wiring.supervisor import Supervisor
from entitlements_projections import reading
from entitlements_projections.database import connect
from entitlements_projections.migrations import migrate

ORGANIZATION: Final = "acme"
PROCESSES: Final = ("engine", "publisher", "projector", "changes", "api")
CUSTOMERS: Final = 1_000
#: Customers who are asked about again and again; all others have their usage recorded.
ASKED_ABOUT: Final = 100
#: Connections of who asks: as many as keep one worker busy while 99 of 100 answers still come within 10 ms.
CONNECTIONS: Final = 16
CHECKS: Final = 40_000
EVENTS_A_CALL: Final = 10_000
CALLS: Final = 30
CHANGES: Final = 200
#: What nobody who reports usage waits for.
FOLLOW: Final = frozenset({"publisher", "projector", "changes"})


def measure(place: Place) -> dict[str, float]:
    """All figures of the API."""
    with an_installation(place) as (settings, key, supervisor):
        place.say("asks over HTTP")
        figures = _checks(place, settings, key)
        place.say("changes what a local client has")
        figures |= _changes(place, settings, key)
        place.say("sends CloudEvents")
        figures["ingest_lines_per_s_all"] = _ingested(settings, key, range(max(4, place.sized(CALLS))))
        with _still(supervisor, FOLLOW):
            figures["ingest_lines_per_s"] = _ingested(settings, key, range(1_000, 1_000 + max(4, place.sized(CALLS))))
        return figures


@contextmanager
def _still(supervisor: Supervisor, names: Collection[str]) -> Iterator[None]:
    """Let processes stand still: what follows from decisions runs on machines of its own where ingestion is heavy."""
    time.sleep(5)  # They catch up first.
    pids = [pid for name, pid in supervisor.pids().items() if name in names and pid is not None]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def an_installation(place: Place) -> Iterator[tuple[Settings, str, Supervisor]]:
    """Every process, customers on a plan, and a key to ask with."""
    with ExitStack() as stack:
        # Read models of another ledger in the same database would stand elsewhere than this one does.
        database = stack.enter_context(testing.a_database(place.stack.postgres))
        settings = place.installation("serving").model_copy(
            update={
                "api_port": a_free_port(except_for=set()),
                "key_requests_per_s": 1_000_000.0,
                "postgres": database,
            }
        )
        migrate(settings.postgres)
        preparing.prepare(settings)
        variables = addresses.environment_of(settings)
        supervisor = stack.enter_context(Supervisor(PROCESSES, variables, FOLDER / "serving-logs"))
        readiness.wait_until_at_work(settings, PROCESSES, 60.0)
        with Caller(settings) as caller:
            key = _prepared(settings, caller)
        yield settings, key, supervisor


def _prepared(settings: Settings, caller: Caller) -> str:
    key_id, secret = f"k{secrets.token_hex(8)}", secrets.token_hex(32)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    rules = [
        Rule(resource_key="sso", rule_type="boolean", stacking="any"),
        Rule(resource_key="api_calls", rule_type="quota", amount=10**9, period="month", stacking="sum"),
    ]
    commands: list[Any] = [
        DefineResourceKey(command_id=new_id(), resource_key="sso", name="SSO", data_type="boolean"),
        DefineResourceKey(command_id=new_id(), resource_key="api_calls", name="Calls", data_type="integer"),
        CreateApiKey(
            command_id=new_id(), organization_id=ORGANIZATION, key_id=key_id, secret_sha256=digest, scopes=["read", "use"]
        ),
    ]  # fmt: skip
    for number in range(CUSTOMERS):
        pool = {"pool_id": f"pool-{number}"}
        commands += [
            OpenPool(command_id=new_id(), organization_id=ORGANIZATION, **pool),
            ProvisionPool(
                command_id=new_id(), provision_id="plan", source="subscription", set_id="pro", set_version=1, rules=rules,
                **pool,
            ),
            AssignWorkspace(command_id=new_id(), workspace_id=f"ws-{number}", role="primary", **pool),
        ]  # fmt: skip
    outcomes = caller.call_all(commands)
    assert all(outcome.is_accepted for outcome in outcomes)
    with connect(settings.postgres) as connection:
        for outcome in outcomes[:3] + outcomes[-100:]:
            reading.wait_for(connection, outcome.partition, outcome.frame_offset, 60.0)
    return f"ent_{key_id}_{secret}"


# --- Checks -----------------------------------------------------------------------------------------------------------


def _checks(place: Place, settings: Settings, key: str) -> dict[str, float]:
    """Connections that each ask again as soon as they are answered; customers in turns."""
    requests = [request(key, number) for number in range(ASKED_ABOUT)]
    _ask(settings, requests, place.sized(CHECKS) // 4)  # Connections are made, code is warm afterwards.
    seconds, waited = _ask(settings, requests, place.sized(CHECKS))
    waited.sort()
    place.notes["http_check_per_s"] = f"{CONNECTIONS} connections, {ASKED_ABOUT:,} customers, one worker"
    return {
        "http_check_per_s": len(waited) / seconds,
        "http_check_p50_ms": statistics.median(waited) * 1_000,
        "http_check_p99_ms": waited[int(len(waited) * 0.99)] * 1_000,
    }


def request(key: str, number: int) -> bytes:
    body = orjson.dumps({"customer_id": f"ws-{number}", "resource_key": "sso"})
    head = (
        f"POST /v1/check HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _ask(settings: Settings, requests: list[bytes], count: int) -> tuple[float, list[float]]:
    """Plain sockets: whoever asks shall cost little of the two cores."""
    selector, sent, waited = selectors.DefaultSelector(), dict[socket.socket, float](), list[float]()
    for _ in range(CONNECTIONS):
        connection = socket.create_connection((settings.api_host, settings.api_port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection, selectors.EVENT_READ)
        sent[connection] = 0.0
    began = time.perf_counter()
    for place, connection in enumerate(sent):
        sent[connection] = time.perf_counter()
        connection.sendall(requests[place % len(requests)])
    asked = len(sent)
    while len(waited) < count:
        for ready, _ in selector.select():
            connection = ready.fileobj  # type: ignore[assignment]
            answer = connection.recv(65_536)
            now = time.perf_counter()
            assert answer.startswith(b"HTTP/1.1 200") and b'"allowed":true' in answer, answer  # noqa: PT018
            waited.append(now - sent[connection])
            sent[connection] = time.perf_counter()
            connection.sendall(requests[asked % len(requests)])
            asked += 1
    seconds = time.perf_counter() - began
    for connection in sent:
        connection.close()
    selector.close()
    return seconds, waited


# --- Ingestion --------------------------------------------------------------------------------------------------------


def _ingested(settings: Settings, key: str, numbers: range) -> float:
    """Calls of 10,000 events, three under way; counted when the answer is here: every line decided, durable and read back."""
    calls = [_events(number) for number in numbers]
    headers = {"authorization": f"Bearer {key}", "content-type": "application/cloudevents-batch+json"}
    url = f"http://{settings.api_host}:{settings.api_port}/v1/events"
    accepted: list[int] = []
    began = 0.0

    def send(those: list[bytes]) -> None:
        with httpx.Client(headers=headers, timeout=120.0) as client:
            for body in those:
                answer = client.post(url, content=body)
                assert answer.status_code == 200, answer.text
                accepted.append(answer.json()["accepted"])

    send(calls[:1])
    accepted.clear()
    rest = calls[1:]
    threads = [threading.Thread(target=send, args=(rest[lane::3],)) for lane in range(3)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    assert sum(accepted) == len(rest) * EVENTS_A_CALL
    return sum(accepted) / seconds


def _events(call: int) -> bytes:
    return orjson.dumps(
        [
            {
                "specversion": "1.0", "id": f"{call}-{number}", "source": "/bench", "type": "com.example.call",
                "subject": f"ws-{number % CUSTOMERS}", "data": {"resource_key": "api_calls", "quantity": 1},
            }
            for number in range(EVENTS_A_CALL)
        ]
    )  # fmt: skip


# --- Changes ----------------------------------------------------------------------------------------------------------


def _changes(place: Place, settings: Settings, key: str) -> dict[str, float]:
    """From the call that sends a command to the moment a local client answers by it."""
    from entitlements_client import Entitlements, Local, Request, Sampling, Service

    waited: list[float] = []
    service = Service(f"http://{settings.api_host}:{settings.api_port}", key)
    asked = Request("ws-0", "sso")
    with (
        Caller(settings) as caller,
        Entitlements(service, Local(customers=["ws-0"]), access_log=Sampling(allowed=0, refused=0)) as entitlements,
    ):
        assert entitlements.wait_until_connected(20.0)
        assert entitlements.check("ws-0", "sso").allowed
        for number in range(place.sized(CHANGES)):
            allowed = number % 2 == 1
            override = SetOverride(
                command_id=new_id(), pool_id="pool-0", override_id=f"o-{number}", resource_key="sso", allowed=allowed,
                reason="bench", actor="bench",
            )  # fmt: skip
            began = time.monotonic()
            caller.send(override)
            seen = entitlements.wait_until(asked, lambda decision, wanted=allowed: decision.allowed == wanted)
            assert seen is not None, "the change was never visible"
            waited.append(seen - began)
            place.progress(number / CHANGES)
    waited.sort()
    return {
        "change_to_client_p50_ms": statistics.median(waited) * 1_000,
        "change_to_client_p99_ms": waited[int(len(waited) * 0.99)] * 1_000,
    }
