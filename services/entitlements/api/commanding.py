"""Sends commands to the engine, and waits for what becomes of them without holding up the loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import get_ident

from entitlements.api.together import Together
from entitlements.domain.commands import Command, address_of
from entitlements.errors import OutcomeUnknown
from entitlements.ledger.caller import Caller, Outcome, Sent, tell
from entitlements.ledger.partitioning import partition_of
from entitlements.settings import Settings


class Commanding:
    """For one event loop."""

    def __init__(self, caller: Caller, settings: Settings) -> None:
        self._caller, self._settings = caller, settings
        self._together = Together()

    async def do(self, command: Command, partition: int | None = None) -> Outcome:
        """Send a command and wait for its outcome. Raises OutcomeUnknown, CommandIsTooLarge, NotEncodable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        thread = get_ident()
        self._caller.hear_in(loop)
        lane = partition_of(address_of(command)[1], self._settings.partitions) if partition is None else partition

        def settle(outcome: Outcome | OutcomeUnknown) -> None:
            if get_ident() == thread:
                tell(future, outcome)
                return
            with suppress(RuntimeError):  # The loop is closed: nobody waits.
                loop.call_soon_threadsafe(tell, future, outcome)

        def send() -> None:
            try:
                self._caller.ask(command, settle, lane)
            except Exception as error:  # noqa: BLE001 - it is raised where the outcome is waited for.
                if not future.done():
                    future.set_exception(error)

        # Batches, which name their partition, are large enough by themselves.
        place = self._together.send(lane, send) if partition is None else None
        if place is None:
            send()
        # A timer of the loop costs a tenth of asyncio.timeout.
        timer = loop.call_later(self._settings.answer_timeout_for, tell, future, OutcomeUnknown())
        try:
            return await future
        except OutcomeUnknown:
            self._caller.forget(command)
            raise
        finally:
            timer.cancel()
            if place is not None:
                place.leave()

    async def post(self, command: Command, partition: int | None = None) -> Sent:
        """Send a command and wait only until it is in the log. Raises as do."""
        try:
            async with asyncio.timeout(self._settings.answer_timeout_for):
                return await asyncio.wrap_future(self._caller.post(command, partition=partition))
        except TimeoutError:
            raise OutcomeUnknown from None
