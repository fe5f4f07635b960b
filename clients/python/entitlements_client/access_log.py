"""Tells the service's access log what was decided here: sampled, in batches, in the background. It never holds a decision up.

What cannot be told in time is dropped and counted; a decision is worth more than its record.
"""

from __future__ import annotations

import logging
import random
import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from entitlements_client.asking.nobody import may_exist
from entitlements_client.deciding import Decision, Request
from entitlements_client.transport.clients import Client

#: Decisions that wait at most; further ones are dropped.
WAITING_MAX: Final = 10_000
BATCH_MAX: Final = 1_000
#: Seconds between batches.
EVERY: Final = 1.0
#: Where these are from the service knows of the decision already.
TOLD: Final = frozenset({"SERVICE"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """Sampling of reported decisions: rates from 0 to 1 by resource key ("premium_*"), with separate rates for refusals."""

    allowed: float = 0.01
    refused: float = 1.0
    by_key: Mapping[str, float] = field(default_factory=dict)

    def rate(self, decision: Decision) -> float:
        """The sampling rate for this kind of decision."""
        for pattern, rate in self.by_key.items():
            if fnmatchcase(decision.resource_key, pattern):
                return rate
        return self.allowed if decision.allowed else self.refused

    def count(self, decision: Decision) -> int:
        """How many decisions one reported decision stands for."""
        return max(1, round(1 / rate)) if (rate := self.rate(decision)) > 0 else 1


class AccessReports:
    """Queues decisions and reports them every second. dropped: queued decisions that were never reported."""

    def __init__(self, client: Client, sampling: Sampling, stopping: threading.Event) -> None:
        self.dropped = 0
        self.told = 0
        self._client, self._sampling, self._stopping = client, sampling, stopping
        #: With the organization whose customer it is, where that is not the key's own.
        self._waiting: deque[tuple[str, Request, Decision]] = deque()
        self._thread: threading.Thread | None = None

    def note(self, request: Request, decision: Decision, organization: str = "") -> None:
        """Queue a decision, subject to sampling. Never raises, never blocks."""
        if decision.source in TOLD or not may_exist(request.customer_id):
            return
        if random.random() >= self._sampling.rate(decision):  # noqa: S311 - sampling.
            return
        if len(self._waiting) >= WAITING_MAX:
            self.dropped += 1
            return
        self._waiting.append((organization, request, decision))
        if self._thread is None:
            self._thread = threading.Thread(target=self._tell, name="entitlements-access-log", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Report what is queued once, and end. stopping is already set."""
        if self._thread is not None:
            self._thread.join(5.0)

    def _tell(self) -> None:
        """Tell batches until stopping is set, and what waits then."""
        while not self._stopping.wait(EVERY):
            self._tell_batches()
        self._tell_batches()

    def _tell_batches(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH_MAX, len(self._waiting)))]
            by_organization: dict[str, list[dict[str, Any]]] = {}
            for organization, request, decision in batch:
                entry = entry_of(request, decision, self._sampling.count(decision))
                by_organization.setdefault(organization, []).append(entry)
            # Whatever becomes of one organization's: those of the others are told all the same.
            told = [self._tell_of(organization, entries) for organization, entries in by_organization.items()]
            if not all(told):
                return

    def _tell_of(self, organization: str, entries: list[dict[str, Any]]) -> bool:
        try:
            self._client.report_access(entries, organization=organization)
        except Exception as error:  # noqa: BLE001 - a context may hold what is no JSON: later decisions are told all the same.
            self.dropped += len(entries)
            _log.info("%s decisions not reported to the access log: %s", len(entries), error)
            return False
        self.told += len(entries)
        return True


def entry_of(request: Request, decision: Decision, count: int) -> dict[str, Any]:
    """A decision in the format of the access log."""
    return decision.to_document() | {
        "subject_id": request.subject_id,
        "action": request.action,
        "context": None if request.context is None else request.context.to_document(),
        "count": count,
    }
