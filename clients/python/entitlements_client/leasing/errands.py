"""What a lease has to do with the service: reserve, commit, extend, release; and what is made of the answers."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from entitlements_client.errors import IdempotencyKeyReused, NotFound, QuotaExceeded, Refused, RequestError
from entitlements_client.leasing.account import Account
from entitlements_client.leasing.terms import Commit, Extend, Holding, Need, Release, Reserve
from entitlements_client.transport.call import key_of
from entitlements_client.transport.clients import Client
from entitlements_client.transport.results import Line

#: Seconds for which a refusal is not asked about again.
REFUSED_FOR: Final = 1.0
#: The service says that something is not held, or will not have it: repeating changes nothing.
_REFUSED: Final = (Refused, NotFound)
#: The statuses of an invalid request, such as one for a customer whose id is too long.
_WRONG: Final = frozenset({400, 422})

_log = logging.getLogger(__name__)


class Errands:
    """Runs the errands of one account, one at a time. The lock is held only while the account is looked at, never on the way."""

    def __init__(
        self,
        whose: tuple[str, str],
        account: Account,
        lock: threading.Lock,
        clock: Callable[[], float],
        begin: Callable[[Holding], None],
    ) -> None:
        """whose: the customer and the key. begin: called with a new holding before anything is drawn from it."""
        self._customer_id, self._resource_key = whose
        self._account, self._lock, self._clock, self._begin = account, lock, clock, begin

    def do(self, need: Need, client: Client) -> None:
        """Do one thing, and take in what came of it. Raises EntitlementsError: it has to be tried again."""
        match need:
            case Reserve():
                self._reserve(need, client)
            case Commit(holding=holding):
                self._commit(holding, client)
            case Extend(holding=holding):
                self._extend(holding, client)
            case Release(holding=holding):
                self._release(holding, client)

    def _reserve(self, need: Reserve, client: Client) -> None:
        try:
            held = client.reserve(
                self._customer_id,
                self._resource_key,
                need.quantity,
                expires_in=self._account.terms.term,
                lease=True,
                reservation_id=need.reservation_id,
                idempotency_key=need.reservation_id,
            )
        except (Refused, RequestError) as error:
            if not isinstance(error, _REFUSED) and error.status not in _WRONG:
                raise
            remaining = error.remaining if isinstance(error, QuotaExceeded) else None
            with self._lock:
                self._account.refused(error.reason_code, remaining, self._clock() + REFUSED_FOR)
            return
        with self._lock:
            holding = self._account.reserved(need, held.reservation_id, held.pool_id, held.quantity)
            self._begin(holding)

    def _commit(self, holding: Holding, client: Client) -> None:
        """Commit a part. If it is held no longer, what was handed out of it is reported."""
        key, quantity, final = holding.idempotency_key, holding.committing, holding.final
        try:
            client.commit(holding.reservation_id, holding.pool_id, quantity, final=final, idempotency_key=key)
        except _REFUSED as error:
            _log.info("lease %s is no longer open: %s", holding.reservation_id, error)
            with self._lock:
                handed_out = min(quantity, holding.unsettled)
            if handed_out:
                self._report(holding, handed_out, client)
            with self._lock:
                self._account.gone(holding, handed_out)
            return
        with self._lock:
            self._account.committed(holding, self._clock())

    def _report(self, holding: Holding, quantity: int, client: Client) -> None:
        """Count what was handed out of something that is held no longer: it happened."""
        # Under the id of the commit: if that did happen after all, this is a repeat and refused as such.
        key = holding.idempotency_key
        line: Line = {
            "pool_id": holding.pool_id,
            "customer_id": self._customer_id,
            "resource_key": self._resource_key,
            "quantity": quantity,
            "mode": "report",
            "usage_id": key,
        }
        try:
            client.record_usage(line, idempotency_key=key_of(key, "late"))
        except IdempotencyKeyReused:
            _log.debug("%s was already committed", key)
        except _REFUSED as error:
            _log.error("usage lost: %s of %s cannot be recorded: %s", quantity, self._resource_key, error)

    def _extend(self, holding: Holding, client: Client) -> None:
        asked_at = self._clock()
        try:
            client.extend(holding.reservation_id, holding.pool_id, expires_in=self._account.terms.term)
        except _REFUSED:
            with self._lock:
                self._account.gone(holding)
            return
        with self._lock:
            self._account.extended(holding, asked_at)

    def _release(self, holding: Holding, client: Client) -> None:
        with self._lock:
            # From now on nothing can be drawn from it.
            holding.usable_until = -float("inf")
            if holding.unsettled:
                return
        try:
            client.release(holding.reservation_id, holding.pool_id)
        except _REFUSED:
            _log.debug("lease %s was no longer open", holding.reservation_id)
        with self._lock:
            self._account.gone(holding)
