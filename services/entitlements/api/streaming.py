"""GET /v1/changes: what changed for customers, as it happens (server-sent events), resumed where a client stood."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from entitlements.api.asking import services_of, still_let_in, who
from entitlements.api.documents import PROBLEMS
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
_PLACE: Final = re.compile(r"([ce])(\d{1,6}):(\d{1,18})")


@router.get(
    "/v1/changes",
    operation_id="changes",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "Events."}},
)
@takes(LAST_EVENT_ID)
async def changes(
    request: Request, customer_id: Annotated[list[Id] | None, Query(description="Only these; none: all.")] = None
) -> Response:
    """What changes for the organization's customers. `Last-Event-ID` goes on where another connection ended.

    Events: change (what is told in `entitlements.changes`), policies (they changed), invalidate (load a customer, or all, again), reset
    (load everything again: the place asked for is not kept any more), hello (where the stream begins). It ends with the key it was asked with.
    """
    identity = who(request, "read", within_unit=True)
    require_taken(request.scope, LAST_EVENT_ID)
    since = _places(request.headers.get("last-event-id"))
    services = services_of(request)
    if services.follower.listeners[identity.organization_id] >= services.settings.api_streams_max:
        raise Problem(
            "too_many_streams", f"{services.settings.api_streams_max} streams of the organization are open here."
        )
    if not _hears(services):
        raise ServerIsAway("What changes is not heard at the moment.")
    listening = _Listening(services, identity, frozenset(customer_id or ()))
    is_let_in = partial(still_let_in, request)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(listening.events(since, is_let_in), headers=headers, media_type="text/event-stream")


def _hears(services: Services) -> bool:
    """Whether what happens is heard. A sign of life says that nothing happened, and clients take it at its word."""
    return max(services.follower.late_for, services.floors.late_for) <= LATE_FOR_MAX


def _places(last_event_id: str | None) -> dict[Place, int] | None:
    if not last_event_id:
        return None
    found = [_PLACE.fullmatch(part) for part in last_event_id.split(",")]
    if not all(found):
        raise Problem("invalid_last_event_id", "Last-Event-ID is the id of an event of this stream.")
    return {(m[1], int(m[2])): int(m[3]) for m in found if m is not None}


class _Listening:
    """One client that listens."""

    def __init__(self, services: Services, identity: Identity, customers: frozenset[str]) -> None:
        self._services, self._follower = services, services.follower
        self._identity, self._customers = identity, customers
        self._organization_id = identity.organization_id
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[list[Told]] = asyncio.Queue(QUEUED_MAX)
        self._is_behind = False
        self._here: dict[Place, int] = {}

    async def events(
        self, since: dict[Place, int] | None, is_let_in: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        here, missed = self._follower.attach(self._hear, since)
        self._follower.listeners[self._organization_id] += 1
        try:
            self._here = here if missed is None else here | (since or {})
            for event in await self._rendered(missed or []):
                yield event
            self._here = here
            yield self._event("reset" if missed is None else "hello", b"{}")
            alive_until = self._loop.time() + HEARTBEAT_FOR
            while await is_let_in():
                try:
                    async with asyncio.timeout(ASK_AGAIN_FOR):
                        batch = await self._queue.get()
                except TimeoutError:
                    if self._loop.time() >= alive_until and _hears(self._services):
                        alive_until = self._loop.time() + HEARTBEAT_FOR
                        yield b": alive\n\n"
                    continue
                if self._is_behind:
                    yield self._catch_up()
                    continue
                for event in await self._rendered(batch):
                    yield event
        finally:
            self._follower.detach(self._hear)
            self._follower.listeners[self._organization_id] -= 1

    def _hear(self, told: list[Told] | None) -> None:
        """In the follower's thread."""
        self._loop.call_soon_threadsafe(self._enqueue, told)

    def _enqueue(self, told: list[Told] | None) -> None:
        self._is_behind = self._is_behind or told is None or self._queue.full()
        if not self._queue.full():
            self._queue.put_nowait(told or [])

    def _catch_up(self) -> bytes:
        """It read too slowly, or something was missed: it is told to load everything, and goes on with what comes now."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self._is_behind = False
        self._follower.detach(self._hear)
        self._here, _ = self._follower.attach(self._hear, None)
        return self._event("reset", b"{}")

    async def _rendered(self, batch: list[Told]) -> list[bytes]:
        batch = await self._within_unit(batch)
        events = []
        for told in batch:
            if told.offset < self._here.get(told.place, 0):
                continue  # It was there already when this client came.
            self._here[told.place] = told.offset + 1
            if self._concerns(told):
                events.append(self._event(told.event, told.data))
        return events

    async def _within_unit(self, batch: list[Told]) -> list[Told]:
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
