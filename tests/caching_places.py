"""What tests of caching share: servers with a replica, an HTTP origin that answers as the API does, and a real Varnish before it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from psycopg_pool import ConnectionPool

from entitlements.access.caching.documents import facts_of
from entitlements.access.caching.floors import Floors
from entitlements.access.sources import ViewSource
from entitlements.access.views import PostgresViews
from entitlements.api.http_caching import Lifetimes, headers_of, is_not_modified
from entitlements.local.errors import NoSuchPackages
from entitlements.local.varnish import LocalVarnish
from entitlements_projections.database import configure


def views_at(url: str, stack: ExitStack) -> ViewSource:
    """Views of a database, closed with the stack."""
    pool = ConnectionPool(url, kwargs={"autocommit": True}, configure=configure, min_size=1, max_size=8, timeout=2)
    return PostgresViews(stack.enter_context(pool).connection, wait_for=1.0)


#: The key that acts for all organizations.
ALL = "all"


class Origin(ThreadingHTTPServer):
    """GET /v1/customers/ID/entitlements, asked with `Authorization: Bearer ORGANIZATION`, or ALL and the organization named."""

    daemon_threads = True

    def __init__(self, source: ViewSource, floors: Floors, lifetimes: Lifetimes) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.source, self.floors, self.lifetimes = source, floors, lifetimes
        self.asked: list[str] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Answers(BaseHTTPRequestHandler):
    server: Origin
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        organization = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if organization == ALL:
            organization = self.headers.get("Entitlements-Organization", "")
        customer = self.path.split("/")[3]
        self.server.asked.append(f"{organization}/{customer}")
        if not organization:
            self._answer(401, {}, b"{}")
            return
        document: Any = json.loads(self.server.source.load(organization, [customer])[customer])
        position = facts_of(json.dumps(document).encode()).position
        is_old = not self.server.floors.admits(organization, customer, position)
        headers = headers_of(document, self.server.lifetimes, now=datetime.now(UTC), is_known_to_be_old=is_old)
        if is_not_modified(self.headers.get("If-None-Match"), headers["ETag"]):
            self._answer(304, headers, b"")
        else:
            self._answer(200, headers, json.dumps(document).encode())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def varnish_before(origin_port: int, folder: Path) -> Iterator[LocalVarnish]:
    """A Varnish; where Debian's packages cannot be had the test is skipped."""
    varnish = LocalVarnish(folder, origin_port)
    try:
        varnish.start()
    except NoSuchPackages as error:
        pytest.skip(str(error))
    try:
        yield varnish
    finally:
        varnish.stop()
