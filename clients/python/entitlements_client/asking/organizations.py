"""The parts of a client for organizations that requests name: each has a memory, readers and a stream of its own. No more than so many.

What belongs to an organization never meets what is another's: a view, a validator, a place in the stream. Connections for questions,
leases, the buffer for usage and reports to the access log are shared; there each thing carries its organization.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from entitlements_client.errors import ClientIsClosed


class Part(Protocol):
    """What a client has of one organization."""

    #: On the monotonic clock, when it was asked last.
    used_at: float

    @property
    def is_listened_to(self) -> bool:
        """Whether somebody wants to hear of its changes: then it is not let go."""
        ...

    def stop(self) -> None:
        """End its threads. Whoever is still asking it is answered."""
        ...


P = TypeVar("P", bound=Part)


class Parts(Generic[P]):
    """Made when they are first asked for. Above so many the one that was asked longest ago is let go, and made anew when it is asked again."""

    def __init__(self, make: Callable[[str], P], parts_max: int) -> None:
        self._make, self._parts_max = make, parts_max
        self._parts: dict[str, P] = {}
        self._making = threading.Lock()
        self._is_closed = False

    def of(self, organization: str) -> P:
        """The part of an organization. Raises ClientIsClosed."""
        found = self._parts.get(organization)
        if found is None:
            found = self._begin(organization)
        found.used_at = time.monotonic()
        return found

    def _begin(self, organization: str) -> P:
        with self._making:
            found = self._parts.get(organization)
            if found is None:
                if self._is_closed:
                    raise ClientIsClosed
                self._let_go()
                found = self._parts[organization] = self._make(organization)
            return found

    def _let_go(self) -> None:
        while len(self._parts) >= self._parts_max:
            idle = [name for name, part in self._parts.items() if not part.is_listened_to]
            if not idle:
                return
            part = self._parts.pop(min(idle, key=lambda name: self._parts[name].used_at))
            # Its threads end by themselves; whoever asks about another organization does not wait for them.
            threading.Thread(target=part.stop, name="entitlements-letting-go", daemon=True).start()

    def stop(self) -> None:
        """Let all of them go."""
        with self._making:
            self._is_closed = True
            parts = list(self._parts.values())
            self._parts = {}
        for part in parts:
            part.stop()
