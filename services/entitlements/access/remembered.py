"""Policies in memory: asked for by every decision, changed seldom."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Lock
from typing import Final

from entitlements.access.sources import PolicySource

#: Seconds after which policies are read again, whatever was heard of them: the bound of what a change of theirs takes to be known.
POLICIES_FOR: Final = 2.0


@dataclass(slots=True)
class _Known:
    document: bytes
    until: float


class RememberedPolicies:
    """A PolicySource before another one. A document that says the same is the same object, so that it stays compiled."""

    def __init__(self, source: PolicySource, ttl_for: float = POLICIES_FOR) -> None:
        self._source, self._ttl_for = source, ttl_for
        self._known: dict[str, _Known] = {}
        self._forgotten = 0
        self._lock = Lock()

    def peek(self, organization_id: str) -> bytes | None:
        """The policies if they are here; None: they have to be loaded."""
        known = self._known.get(organization_id)
        return known.document if known is not None and time.monotonic() < known.until else None

    def load(self, organization_id: str) -> bytes:
        """As PolicySource.load."""
        found = self.peek(organization_id)
        if found is not None:
            return found
        forgotten, until = self._forgotten, time.monotonic() + self._ttl_for
        document = self._source.load(organization_id)
        with self._lock:
            known = self._known.get(organization_id)
            if known is not None and known.document == document:
                document = known.document
            if forgotten == self._forgotten:  # Else it may have been read before what was heard meanwhile.
                self._known[organization_id] = _Known(document, until)
        return document

    def forget(self, organization_id: str) -> None:
        """These policies have changed: they are read again when they are asked for."""
        with self._lock:
            self._forgotten += 1
            known = self._known.get(organization_id)
            if known is not None:
                known.until = 0.0
