"""GET /v1/changes: what changed for customers, as it happens (server-sent events), resumed where a client stood."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from entitlements.api.asking import services_of, still_let_in, who
from entitlements.api.documents import PROBLEMS
from entitlements.api.fanout import Batch
from entitlements.api.following import Place, Told
from entitlements.api.identity import Identity
from entitlements.api.openapi.headers import LAST_EVENT_ID, require_taken, takes
from entitlements.api.problems import Problem
from entitlements.api.routes import Route
from entitlements.api.services import Services
from entitlements.errors import ServerIsAway
from entitlements.intake.strict import Id

router = APIRouter(tags=["changes"], responses=PROBLEMS, route_class=Route)

#: Seconds between signs of life.
HEARTBEAT_FOR: Final = 15.0
#: Seconds after which it is asked again whether the key still counts: so often that a revoked one is noticed as soon as at the door.
ASK_AGAIN_FOR: Final = 3.0
#: Seconds for which what happens may not have been heard, and a stream is still begun and shows signs of life.
LATE_FOR_MAX: Final = 5.0
#: What waits for a client that reads slowly; beyond that it is told to load everything again.
QUEUED_MAX: Final = 10_000
#: Events that are rendered and sent at once to whoever has missed many.
_SENT_AT_ONCE: Final = 100
_PLACE: Final = re.compile(r"([ce])(\d{1,6}):(\d{1,18})")


@router.get(
    "/v1/changes",
    operation_id="changes",
    summary="Stream changes",
    response_class=Response,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "A stream of events."}
    },
)
@takes(LAST_EVENT_ID)
async def changes(
    request: Request,
    customer_id: Annotated[list[Id] | None, Query(description="Only these customers. Default: all.")] = None,
) -> Response:
    """Stream changes to the customers of the organization, as server-sent events.

    Events: `change` (as in the topic `entitlements.changes`), `policies` (access policies changed), `invalidate` (reload one customer, or
    all), `reset` (reload everything, because the place in `Last-Event-ID` is no longer kept), `hello` (start of the stream).
    `Last-Event-ID` resumes an earlier stream. The stream ends when its API key ends.
    """
    identity = who(request, "read", within_unit=True)
    require_taken(request.scope, LAST_EVENT_ID)
    since = _places(request.headers.get("last-event-id"))
    services = services_of(request)
    if not _hears(services):
        raise ServerIsAway("The stream of changes is not available at the moment.")
    listening = _Listening(services, identity, frozenset(customer_id or ()))
    services.streams.begin(identity.organization_id)
    return _Stream(services, identity.organization_id, listening.events(since, partial(still_let_in, request)))


class _Stream(StreamingResponse):
    """The answer; it counts among the streams that are open until it is over, however it ends."""

    def __init__(self, services: Services, organization_id: str, events: AsyncIterator[bytes]) -> None:
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        super().__init__(events, headers=headers, media_type="text/event-stream")
        self._services, self._organization_id = services, organization_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._services.streams.end(self._organization_id)


def _hears(services: Services) -> bool:
    """Whether what happens is heard. A sign of life says that nothing happened, and clients take it at its word."""
    return max(services.follower.late_for, services.floors.late_for) <= LATE_FOR_MAX


def _places(last_event_id: str | None) -> dict[Place, int] | None:
    if not last_event_id:
        return None
    found = [_PLACE.fullmatch(part) for part in last_event_id.split(",")]
    if not all(found):
        raise Problem("invalid_last_event_id", "Last-Event-ID must be the id of an event of this stream.")
    return {(m[1], int(m[2])): int(m[3]) for m in found if m is not None}


class _Listening:
    """One client that listens."""

    def __init__(self, services: Services, identity: Identity, customers: frozenset[str]) -> None:
        self._services, self._follower = services, services.follower
        self._identity, self._customers = identity, customers
        self._organization_id = identity.organization_id
        self._loop = asyncio.get_running_loop()
        #: None: nothing happened, but it is time to look whether the key still counts.
        self._queue: asyncio.Queue[Batch | None] = asyncio.Queue(QUEUED_MAX)
        self._is_behind = self._is_due = False
        self._waking: asyncio.TimerHandle | None = None
        self._here: dict[Place, int] = {}

    async def events(
        self, since: dict[Place, int] | None, is_let_in: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        """What is sent. What happens twice, in what was missed and afterwards, is sent once: places tell."""
        fanout = self._services.fanout
        fanout.attach(self._organization_id, self)
        try:
            here, missed = self._follower.here, list[Told]() if since is None else None
            if since is not None:  # It looks at all that is kept.
                here, missed = await self._services.compute(
                    self._organization_id, self._follower.since, since, self._organization_id
                )
            self._here = here if missed is None else here | (since or {})
            for start in range(0, len(missed or ()), _SENT_AT_ONCE):
                if events := await self._rendered((missed or ())[start : start + _SENT_AT_ONCE]):
                    yield events
                await asyncio.sleep(0)
            self._here = here
            yield self._event("reset" if missed is None else "hello", b"{}")
            self._wake_up_later()
            async for events in self._followed(is_let_in):
                yield events
        finally:
            fanout.detach(self._organization_id, self)
            if self._waking is not None:
                self._waking.cancel()

    async def _followed(self, is_let_in: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
        """What happens from now on and signs of life, until the key counts no more. An event costs neither a timer nor a look at the key."""
        alive_until = self._loop.time() + HEARTBEAT_FOR
        while True:
            batch = await self._queue.get()
            if self._is_due:
                self._is_due = False
                if not await is_let_in():
                    return
            if batch is not None:
                if events := self._catch_up() if self._is_behind else await self._shared(batch):
                    yield events
            elif self._loop.time() >= alive_until and _hears(self._services):
                alive_until = self._loop.time() + HEARTBEAT_FOR
                yield b": alive\n\n"

    def _wake_up_later(self) -> None:
        # Not all of those that came at once ask again at once.
        self._waking = self._loop.call_later(ASK_AGAIN_FOR * random.uniform(0.6, 1.0), self._wake_up)  # noqa: S311

    def _wake_up(self) -> None:
        self._is_due = True
        if self._queue.empty():  # Else it wakes anyway, and however much waits is not sent first.
            self._queue.put_nowait(None)
        self._wake_up_later()

    def enqueue(self, batch: Batch | None) -> None:
        """Take what happened."""
        self._is_behind = self._is_behind or batch is None or self._queue.full()
        if not self._queue.full():
            self._queue.put_nowait(Batch() if batch is None else batch)

    def _catch_up(self) -> bytes:
        """It read too slowly, or something was missed: it is told to load everything, and goes on with what comes now."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._is_behind = False
        self._here = self._follower.here
        return self._event("reset", b"{}")

    async def _shared(self, batch: Batch) -> bytes:
        """What a batch is for this client; made once for all that hear all of the organization and stand at the same place."""
        if self._customers or self._identity.unit_id:
            return await self._rendered(batch, batch.here)
        before = tuple(self._here.items())
        known = batch.rendered.get(before)
        if known is None:
            self._here = dict(self._here)
            known = batch.rendered[before] = await self._rendered(batch, batch.here), self._here
        events, self._here = known
        return events

    async def _rendered(self, batch: Sequence[Told], here: Mapping[Place, int] | None = None) -> bytes:
        """The events of a batch as they are sent. here: where this client stands once it has all of them."""
        batch, events = await self._within_unit(batch), list[bytes]()
        for number, told in enumerate(batch, 1):
            if told.offset >= self._here.get(told.place, 0):  # Else it was there already when this client came.
                self._here[told.place] = told.offset + 1
                if here and number == len(batch):
                    self._here |= {place: max(offset, self._here.get(place, 0)) for place, offset in here.items()}
                if self._concerns(told):
                    events.append(self._event(told.event, told.data))
        return b"".join(events)

    async def _within_unit(self, batch: Sequence[Told]) -> Sequence[Told]:
        """Without what is about customers outside of the unit that the key is bound to. Raises ServerIsAway: the stream ends."""
        if not self._identity.unit_id:
            return batch
        concerned = {told.customer_id for told in batch if told.customer_id is not None and self._concerns(told)}
        inside = await self._services.units.inside(self._identity, concerned)
        return [told for told in batch if told.customer_id is None or told.customer_id in inside]

    def _concerns(self, told: Told) -> bool:
        if told.organization_id not in {None, self._organization_id}:
            return False
        return not self._customers or told.customer_id is None or told.customer_id in self._customers

    def _event(self, event: str, data: bytes) -> bytes:
        places = ",".join(f"{kind}{number}:{offset}" for (kind, number), offset in sorted(self._here.items()))
        return b"id: %b\nevent: %b\ndata: %b\n\n" % (places.encode(), event.encode(), data)
