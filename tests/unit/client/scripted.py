"""A small real HTTP server that answers by script, and documents as the service tells them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from entitlements_client import Retries, Service


@dataclass
class Asked:
    """A request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


#: (status, document) or (status, document, headers).
Reply = tuple[Any, ...]
Script = Callable[[Asked], Reply | None]


@dataclass
class ScriptedService:
    """Answers each request by the script; None cuts the connection without an answer."""

    script: Script
    asked: list[Asked] = field(default_factory=list)

    def __post_init__(self) -> None:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                body = json.loads(self.rfile.read(length)) if length else None
                asked = Asked(self.command, self.path, {k.lower(): v for k, v in self.headers.items()}, body)
                service.asked.append(asked)
                reply = service.script(asked)
                if reply is None:
                    self.close_connection = True
                    self.connection.close()
                    return
                if callable(reply[1]):
                    self._stream(reply[1])
                    return
                content = b"" if reply[1] is None else json.dumps(reply[1]).encode()
                self.send_response(reply[0])
                for name, value in (reply[2] if len(reply) > 2 else {}).items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_DELETE = do_GET  # noqa: N815 - http.server's names.

            def _stream(self, lines: Callable[[], Iterator[str]]) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.end_headers()
                self.close_connection = True
                try:
                    for line in lines():
                        self.wfile.write(line.encode())
                        self.wfile.flush()
                except OSError:
                    pass

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # Clients that are closed cut connections.
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def service(self, **more: Any) -> Service:
        """How a client finds it; patient for a second only."""
        quick = Retries(
            **({"read_within": 1.0, "change_within": 1.0, "pause_for_min": 0.01, "pause_for_max": 0.05} | more)
        )
        return Service(self.url, "ent_testing_secret", quick)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def view(customer_id: str = "acme", position: str = "0:10", **entries: dict[str, Any]) -> dict[str, Any]:
    """What GET /v1/customers/{customer_id}/entitlements answers."""
    return {
        "customer_id": customer_id,
        "organization_id": "org",
        "as_of": {"position": position, "decided_at": None, "read_at": "2026-11-21T10:00:00Z"},
        "subscription": None,
        "members": {},
        "members_complete": True,
        "entitlements": entries,
    }


def feature(*, allowed: bool = True, **more: Any) -> dict[str, Any]:
    code = "allowed" if allowed else "not_entitled"
    return {"entitlement_type": "boolean", "allowed": allowed, "reason_code": code, "pool_id": "pool", **more}


def quota(remaining: int, limit: int = 100, **more: Any) -> dict[str, Any]:
    code = "allowed" if remaining else "quota_exceeded"
    return {
        "entitlement_type": "quota", "allowed": remaining > 0, "reason_code": code, "pool_id": "pool",
        "limit": limit, "consumed": limit - remaining, "reserved": 0, "remaining": remaining, **more,
    }  # fmt: skip


def decision(
    customer_id: str = "acme", resource_key: str = "sso", *, allowed: bool = True, **more: Any
) -> dict[str, Any]:
    """What POST /v1/check answers."""
    return {
        "decision_id": "d-1", "allowed": allowed, "reason_code": "allowed" if allowed else "not_entitled", "sentence": "So.",
        "customer_id": customer_id, "resource_key": resource_key, "quantity": None, "entitlement_type": "boolean",
        "policy_version": 0, "as_of": {"position": "0:10"}, "decided_at": "2026-11-21T10:00:00Z", "source": "SERVICE", **more,
    }  # fmt: skip


NO_POLICIES = {"organization_id": "org", "version": 0, "policies": []}


def eventually(holds: Callable[[], Any], within: float = 20.0) -> Any:
    """Wait until something holds, and give it."""
    until = time.monotonic() + within
    while not (found := holds()):
        assert time.monotonic() < until, "not in time"
        time.sleep(0.005)
    return found
