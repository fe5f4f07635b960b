"""/healthz, /readyz and /metrics of one process, on a port of its own that no caller of the API reaches.

Off unless ENTITLEMENTS_OPERATIONS_PORT is set. Processes on one machine with the same setting, such as the workers of the API, take the
first port from there on that is free: each has numbers of its own, and one that ended leaves none behind.
"""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Final

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder

from entitlements.errors import EntitlementsError
from entitlements.local.ports import cannot_listen
from entitlements.operations.health import Readiness, readiness_of
from entitlements.settings import Settings

#: Ports tried, from the one in the setting on.
PORTS_MAX: Final = 32
IDLE_FOR_MAX: Final = 10.0

_log = logging.getLogger(__name__)


class NoPortIsFree(EntitlementsError):
    """No port is free for /healthz, /readyz and /metrics."""

    code: ClassVar[str] = "no_port_is_free"


class _Handler(BaseHTTPRequestHandler):
    readiness: ClassVar[Readiness]
    timeout = IDLE_FOR_MAX

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._send(200, content_type, encode(REGISTRY))
        elif path == "/healthz":
            self._send_document(*self.readiness.alive())
        elif path == "/readyz":
            self._send_document(*self.readiness.ready())
        else:
            self._send_document(404, {"status": "not_found"})

    do_HEAD = do_GET  # noqa: N815  (The standard library looks for this name.)

    def _send_document(self, status: int, document: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(document).encode())

    def _send(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        _log.debug("Connection from %s failed", client_address, exc_info=True)


@contextmanager
def operations_port(settings: Settings, process: str, readiness: Readiness | None = None) -> Iterator[int | None]:
    """Serve while the block lasts; gives the port, None: it is off. readiness: whoever has one already. Raises NoPortIsFree, SettingIsWrong."""
    if settings.operations_port is None:
        yield None
        return
    ours = readiness or readiness_of(process, settings)
    try:
        with _listen(settings, type("Handler", (_Handler,), {"readiness": ours})) as server:
            serving = threading.Thread(target=server.serve_forever, args=(0.1,), name="operations", daemon=True)
            serving.start()
            try:
                _log.info("Serving /healthz, /readyz and /metrics on port %d", server.server_address[1])
                yield int(server.server_address[1])
            finally:
                server.shutdown()
                serving.join()
    finally:
        if readiness is None:
            ours.close()


def _listen(settings: Settings, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    first, host = settings.operations_port, settings.operations_host
    assert first is not None
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server_class = type("Server", (_Server,), {"address_family": family})
    reason: OSError | None = None
    for port in range(first, first + PORTS_MAX if first else 1):
        try:
            server: ThreadingHTTPServer = server_class((host, port), handler)
        except (OSError, OverflowError) as error:
            reason = error if isinstance(error, OSError) else None
        else:
            return server
    if isinstance(reason, socket.gaierror):
        raise cannot_listen(reason, host, first, "ENTITLEMENTS_OPERATIONS") from reason
    raise NoPortIsFree(f"{host}:{first} and the {PORTS_MAX - 1} after it: {reason}") from reason
