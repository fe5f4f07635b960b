"""Two thin shells around httpx. They send and pause as attempts.py tells them; there is no rule here."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Final, Self, TypeVar

import httpx

from entitlements_client.errors import ClientIsClosed, ServiceIsAway, error_of
from entitlements_client.transport.attempts import Attempts, Came, Retries, Send, Steps, attempts, conversation
from entitlements_client.transport.call import Answer, Call, NoAnswer, naming
from entitlements_client.transport.methods import Methods

T = TypeVar("T")

#: After these the service cannot have seen the request.
_NOT_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
#: As many are kept as there may be: httpcore closes idle ones above that, and among them one that another thread was just given.
_LIMITS: Final = httpx.Limits(max_connections=100, max_keepalive_connections=100)


@dataclass(frozen=True)
class Service:
    """Address of the service, API key, timeouts and retries. connect_within in seconds. Raises ValueError if a value is invalid.

    organization: default organization of requests, for a key that acts for several.
    """

    url: str
    api_key: str = field(repr=False)
    retries: Retries = field(default_factory=Retries)
    connect_within: float = 2.0
    organization: str = ""

    def __post_init__(self) -> None:
        # Otherwise each request would fail on its way, and look like a service that is away.
        if not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url must be an address such as https://entitlements.example.com, not {self.url!r}")
        if not self.api_key.isascii() or not self.api_key.isprintable() or self.api_key.split() != [self.api_key]:
            raise ValueError(
                "api_key must be the output of `entitlements api-key create`, without spaces or line breaks"
            )

    @property
    def opening(self) -> dict[str, Any]:
        """Arguments of an httpx client."""
        # Reading the certificates takes a tenth of a second, and a process has several clients. Without https nothing is verified.
        verify = _certificates() if self.url.startswith("https") else False
        return {"base_url": self.url, "headers": self.headers, "verify": verify, "limits": _LIMITS}

    @property
    def headers(self) -> dict[str, str]:
        """Headers of every request."""
        return {"Authorization": f"Bearer {self.api_key}", "User-Agent": "entitlements-client-python"}

    def request_of(self, step: Send) -> dict[str, Any]:
        """Arguments of one httpx request."""
        call, content = step.call, step.call.content()
        kind = {} if content is None else {"Content-Type": "application/json"}
        return {
            "method": call.method,
            "url": call.path,
            "params": list(call.query) or None,
            "content": content,
            "headers": kind | naming(self.organization) | dict(call.headers),
            "timeout": httpx.Timeout(step.timeout_for, connect=min(self.connect_within, step.timeout_for)),
        }


class Stream:
    """An answer that does not end: its lines, as they come, and how somebody else ends it."""

    def __init__(self, response: httpx.Response) -> None:
        self._response = response
        self.lines = _lines(response.iter_bytes())

    def cut(self) -> None:
        """End it from another thread: who waits for a line hears ServiceIsAway or the end at once."""
        network = self._response.extensions.get("network_stream")
        connection = None if network is None else network.get_extra_info("socket")
        if connection is not None:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Client(Methods):
    """HTTP client of the service. Thread-safe."""

    def __init__(self, service: Service, *, pause: Callable[[float], object] = time.sleep) -> None:
        """pause: how to wait between attempts; an Event's wait lets somebody who stops not wait for it."""
        self.service = service
        self._pause = pause
        self._http = httpx.Client(**service.opening)
        #: Its connections are another's, who closes them.
        self.is_borrowing = False

    def acting_for(self, organization: str) -> Self:
        """The same client with another default organization. It shares the connections."""
        found = copy(self)
        found.service, found.is_borrowing = replace(self.service, organization=organization), True
        return found

    def send(self, call: Call[T], /) -> T:
        """Send a call, with retries. Raises an EntitlementsError."""
        return self._carry_out(attempts(call, self.service.retries))

    def run(self, steps: Steps[T]) -> T:
        """Send one call after another, as the steps ask for them."""
        return self._carry_out(conversation(steps, self.service.retries))

    def _carry_out(self, doing: Attempts[T]) -> T:
        came: Came = None
        try:
            while True:
                step = doing.send(came)
                if isinstance(step, Send):
                    came = self._attempt(step)
                else:
                    came = None
                    self._pause(step.seconds)
        except StopIteration as end:
            result: T = end.value
            return result

    @contextmanager
    def stream(
        self, path: str, query: Sequence[tuple[str, str]], headers: Mapping[str, str], silent_for: float
    ) -> Iterator[Stream]:
        """A streamed response. Raises ServiceIsAway after this many seconds of silence, RequestError if it is refused."""
        timeout = httpx.Timeout(silent_for, connect=self.service.connect_within)
        said = naming(self.service.organization) | dict(headers)
        try:
            with self._http.stream("GET", path, params=list(query), headers=said, timeout=timeout) as response:
                if response.status_code != 200:
                    response.read()
                    raise error_of(response.status_code, _answer(response).problem())
                yield Stream(response)
        except (httpx.TransportError, httpx.StreamError) as error:
            raise ServiceIsAway(repr(error)) from error

    def _attempt(self, step: Send) -> Answer | NoAnswer:
        try:
            return _answer(self._http.request(**self.service.request_of(step)))
        except httpx.TransportError as error:
            return _no_answer(error)
        except RuntimeError as error:
            if self._http.is_closed:
                raise ClientIsClosed from error
            raise

    def close(self) -> None:
        if not self.is_borrowing:
            self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncClient(Methods):
    """HTTP client of the service for asyncio. Each event loop has connections of its own."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self._opening = threading.Lock()
        self._of_loops: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = {}
        self._closed = threading.Event()
        #: Its connections are another's, who closes them.
        self.is_borrowing = False

    def acting_for(self, organization: str) -> Self:
        """The same client with another default organization. It shares the connections."""
        found = copy(self)
        found.service, found.is_borrowing = replace(self.service, organization=organization), True
        return found

    @property
    def _http(self) -> httpx.AsyncClient:
        """What sends in the loop that runs: a connection is no good in another than that in which it was opened."""
        loop = asyncio.get_running_loop()
        found = self._of_loops.get(loop)
        if found is None:
            with self._opening:
                if self._closed.is_set():
                    raise ClientIsClosed
                for ended in [each for each in self._of_loops if each.is_closed()]:
                    del self._of_loops[ended]
                found = self._of_loops[loop] = httpx.AsyncClient(**self.service.opening)
        return found

    async def asend(self, call: Call[T], /) -> T:
        """Send a call, with retries. Raises an EntitlementsError."""
        return await self._carry_out(attempts(call, self.service.retries))

    async def run(self, steps: Steps[T]) -> T:
        """Send one call after another, as the steps ask for them."""
        return await self._carry_out(conversation(steps, self.service.retries))

    async def _carry_out(self, doing: Attempts[T]) -> T:
        came: Came = None
        try:
            while True:
                step = doing.send(came)
                if isinstance(step, Send):
                    came = await self._attempt(step)
                else:
                    came = None
                    await asyncio.sleep(step.seconds)
        except StopIteration as end:
            result: T = end.value
            return result

    async def _attempt(self, step: Send) -> Answer | NoAnswer:
        try:
            return _answer(await self._http.request(**self.service.request_of(step)))
        except httpx.TransportError as error:
            return _no_answer(error)
        except RuntimeError as error:
            if self._closed.is_set():
                raise ClientIsClosed from error
            raise

    async def aclose(self) -> None:
        if self.is_borrowing:
            return
        with self._opening:
            self._closed.set()
            http = self._of_loops.pop(asyncio.get_running_loop(), None)
            self._of_loops.clear()
        if http is not None:
            await http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


@cache
def _certificates() -> ssl.SSLContext:
    return httpx.create_ssl_context()


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Lines that end with line feeds only: httpx ends them at U+2028 and its like too, which JSON may hold as they are."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r").decode(errors="replace")


def _answer(response: httpx.Response) -> Answer:
    return Answer(response.status_code, response.headers, response.content)


def _no_answer(error: httpx.TransportError) -> NoAnswer:
    return NoAnswer(repr(error), was_sent=not isinstance(error, _NOT_SENT))
