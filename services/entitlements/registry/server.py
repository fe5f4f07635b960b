"""Serves the registry's answers over HTTP, one thread per connection.

The standard library's server is enough: consumers ask once for each schema and keep the answer.
"""

from __future__ import annotations

import json
import logging
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from entitlements.local.ports import cannot_listen
from entitlements.registry.answers import Answer, Refused, Registry
from entitlements.settings import INSTALLATION_HEADER

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Event

    from entitlements.settings import Settings

CONTENT_TYPE: Final = "application/vnd.schemaregistry.v1+json"
BODY_BYTES_MAX: Final = 1024 * 1024
IDLE_MAX_FOR: Final = 60.0
"""Seconds a connection may say nothing before it is closed."""

_log = logging.getLogger(__name__)


class _Handler(BaseHTTPRequestHandler):
    registry: ClassVar[Registry]
    installation: ClassVar[str]

    protocol_version = "HTTP/1.1"
    timeout = IDLE_MAX_FOR
    disable_nagle_algorithm = True
    wbufsize = -1  # Head and body leave together.

    def do_GET(self) -> None:
        self._respond()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  (The standard library looks for these names.)

    def _respond(self) -> None:
        try:
            answer = self._answer()
        except Refused as refused:
            answer = refused.answer
            self.close_connection = True  # Its body was not read: what follows on the wire is no request.
        except Exception:  # noqa: BLE001  (The next request may go well.)
            _log.exception("registry: %s %s", self.command, self.path)
            answer = Answer(500, {"error_code": 50001, "message": "Error in the backend data store"})
        self._send(answer)

    def _answer(self) -> Answer:
        if self.headers.get("Transfer-Encoding"):
            raise Refused(411, "HTTP 411 Length Required")
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
            raise Refused(413, "HTTP 413 Content Too Large")
        body = self.rfile.read(int(length))
        asked = urlsplit(self.path)
        query = dict(parse_qsl(asked.query))
        method = "GET" if self.command == "HEAD" else self.command
        return self.registry.answer(method, unquote(asked.path), query, body)

    def _send(self, answer: Answer) -> None:
        sent = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
        self.send_response(answer.status)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(sent)))
        if self.installation:
            self.send_header(INSTALLATION_HEADER, self.installation)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(sent)

    def log_message(self, format: str, *args: Any) -> None:
        _log.debug(format, *args)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        _log.debug("registry: connection from %s failed", client_address, exc_info=True)


def serve(settings: Settings, stopping: Event, started: Callable[[str], None] | None = None) -> None:
    """Answer until stopping is set; see `registry.run`."""
    handler = type(
        "Handler", (_Handler,), {"registry": Registry(settings.topic_prefix), "installation": settings.installation}
    )
    host, port = settings.registry_host, settings.registry_port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    server_class = type("Server", (_Server,), {"address_family": family})
    try:
        server = server_class((host, port), handler)
    except OSError as error:
        raise cannot_listen(error, host, port, "ENTITLEMENTS_REGISTRY") from error
    with server:
        serving = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="registry", daemon=True)
        serving.start()
        bracketed = f"[{host}]" if ":" in host else host
        url = f"http://{bracketed}:{server.server_address[1]}"
        try:
            if started is not None:
                started(url)
            stopping.wait()
        finally:
            server.shutdown()
            serving.join()
