"""The HTTP API of a whole installation: checks, ingestion of CloudEvents, and how soon a local client knows of a change.

Everything runs on this machine: broker, database, engine, publisher, projector, changes, one worker of the API, and who asks.
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
import statistics
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

import httpx
import orjson

from bench.installations import CUSTOMERS, an_installation
from bench.place import Place
from entitlements.domain.plan_commands import SetOverride
from entitlements.ledger.caller import Caller, new_id
from entitlements.settings import Settings
from entitlements.wiring.supervisor import Supervisor

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
    """Calls of 10,000 events, three under way; counted when the answer is here: every line decided and durable."""
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
