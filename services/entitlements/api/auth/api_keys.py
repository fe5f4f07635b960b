"""Who asks, by an API key.

A key is read once and remembered. While it is in use it is read again in the background every READ_AGAIN_AFTER_FOR seconds,
so that nobody waits; what was not read for HONOURED_FOR_MAX seconds says nothing any more. So a revoked key stops working
at most HONOURED_FOR_MAX seconds after the read model tells it, whether Postgres answers or not, and as a rule after
READ_AGAIN_AFTER_FOR; and an outage of Postgres of up to HONOURED_FOR_MAX - READ_AGAIN_AFTER_FOR seconds is not noticed.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

from entitlements.api.auth.keys import PREFIX, ApiKey, KeySource, is_key_id
from entitlements.api.identity import SCOPES, Identity, Unauthenticated
from entitlements.errors import ServerIsAway

if TYPE_CHECKING:
    from entitlements.settings import Settings

#: Seconds; see above.
READ_AGAIN_AFTER_FOR: Final = 2.0
HONOURED_FOR_MAX: Final = 10.0
#: Seconds for which a key that there is none is not looked for again, and between attempts while Postgres is away.
UNKNOWN_FOR: Final = 2.0
_TRY_AGAIN_AFTER_FOR: Final = 0.5
#: Keys remembered at most, known and unknown apart: whoever makes keys up pushes nobody out.
REMEMBERED_MAX: Final = 10_000

_log = logging.getLogger(__name__)
_AWAY: Final = "The API key cannot be verified at the moment."
_SCHEME: Final = "bearer "
#: How a key is sent.
SEND_KEY: Final = "Send `Authorization: Bearer <key>`."
_Value = TypeVar("_Value")


class _Memory:
    """A key, who has it, when it was read and when to read it again (seconds of the monotonic clock)."""

    __slots__ = ("identity", "key", "next_read_at", "read_at")

    def __init__(self, key: ApiKey, identity: Identity, read_at: float) -> None:
        self.key = key
        self.identity = identity
        self.read_at = read_at
        self.next_read_at = read_at + READ_AGAIN_AFTER_FOR


class ApiKeys:
    """Tells who asks by `Bearer ent_<key_id>_<secret>`. Safe to share between threads; close it."""

    def __init__(
        self,
        source: KeySource,
        settings: Settings,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._requests_per_s = settings.key_requests_per_s
        self._body_bytes_max = settings.key_body_bytes_max
        self._clock, self._monotonic = clock, monotonic
        self._known: dict[str, _Memory] = {}
        self._unknown: dict[str, float] = {}
        self._is_away = False
        self._asking = threading.Lock()
        self._reader = ThreadPoolExecutor(1, "api-keys")

    def known(self, authorization: str) -> Identity | None:
        """Who asks, if that can be said without waiting. Raises Unauthenticated."""
        key_id, secret = _parts(authorization)
        now = self._monotonic()
        memory = self._known.get(key_id)
        if memory is None:
            unknown_until = self._unknown.get(key_id)
            if unknown_until is not None and now < unknown_until:
                raise Unauthenticated
            self._let_wait()
            return None
        if now - memory.read_at >= HONOURED_FOR_MAX:
            self._let_wait()
            return None
        if now >= memory.next_read_at:
            memory.next_read_at = now + _TRY_AGAIN_AFTER_FOR
            self._reader.submit(self._read_again, key_id)
        return self._proven(memory, secret)

    def identify(self, authorization: str) -> Identity:
        """Who asks; waits for the source when the key is new here. Raises Unauthenticated, ServerIsAway."""
        identity = self.known(authorization)
        if identity is not None:
            return identity
        key_id, secret = _parts(authorization)
        if not is_key_id(key_id):
            raise Unauthenticated
        memory = self._ask_for(key_id)
        if memory is None:
            raise Unauthenticated
        return self._proven(memory, secret)

    def forget(self, key_id: str) -> None:
        """Read a key anew before it is honoured again, or refused: whoever revokes or creates one here need not wait."""
        self._known.pop(key_id, None)
        self._unknown.pop(key_id, None)

    def close(self) -> None:
        """Read no more."""
        self._reader.shutdown(wait=False, cancel_futures=True)

    def _proven(self, memory: _Memory, secret: str) -> Identity:
        presented = hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
        # In constant time; the dictionary tells apart only ids, which are no secret.
        if not hmac.compare_digest(presented, memory.key.secret_sha256) or self._clock() >= memory.key.ends_at:
            raise Unauthenticated
        return memory.identity

    def _let_wait(self) -> None:
        """Somebody has to wait for the source; nobody, while somebody does so already and it does not answer."""
        if self._is_away and self._asking.locked():
            raise ServerIsAway(_AWAY)

    def _ask_for(self, key_id: str) -> _Memory | None:
        """Read a key. While the source is away one waits for it at a time: else they would pile up, and it be long until all were told."""
        alone = self._is_away
        if alone and not self._asking.acquire(blocking=False):
            raise ServerIsAway(_AWAY)
        try:
            memory = self._read(key_id)
        except ServerIsAway:
            self._is_away = True
            raise
        finally:
            if alone:
                self._asking.release()
        self._is_away = False
        return memory

    def _read(self, key_id: str) -> _Memory | None:
        began = self._monotonic()  # What is told may be as old as that.
        key = self._source.key_of(key_id)
        if key is None:
            self._known.pop(key_id, None)
            _remember(self._unknown, key_id, began + UNKNOWN_FOR)
            return None
        memory = _Memory(key, self._identity(key), began)
        self._unknown.pop(key_id, None)
        _remember(self._known, key_id, memory)
        return memory

    def _read_again(self, key_id: str) -> None:
        try:
            self._read(key_id)
        except ServerIsAway as error:
            # It is tried again at the next use, and what was read holds for HONOURED_FOR_MAX.
            _log.debug("Key %s not refreshed: %s", key_id, error)
        except Exception:  # noqa: BLE001 - nobody waits for this thread: what it meets is said here.
            _log.exception("Key %s not refreshed", key_id)

    def _identity(self, key: ApiKey) -> Identity:
        return Identity(
            key_id=key.key_id,
            organization_id=key.organization_id,
            key_organization_id=key.organization_id,
            act_for=key.act_for,
            unit_id=key.unit_id,
            scopes=key.scopes & frozenset(SCOPES),
            actor=key.actor,
            requests_per_s=key.requests_per_s or self._requests_per_s,
            body_bytes_max=self._body_bytes_max,
            ends_at=key.ends_at,
        )


def token_of(authorization: str) -> str:
    """What follows `Bearer`, in whatever case that is written. Raises Unauthenticated."""
    if authorization[:7].lower() != _SCHEME:
        raise Unauthenticated(SEND_KEY)
    return authorization[7:].strip()


def _parts(authorization: str) -> tuple[str, str]:
    key_id, _, secret = token_of(authorization).removeprefix(PREFIX).rpartition("_")
    return key_id, secret


def _remember(remembered: dict[str, _Value], key_id: str, value: _Value) -> None:
    """Keep at most REMEMBERED_MAX, the newest."""
    remembered.pop(key_id, None)
    remembered[key_id] = value
    while len(remembered) > REMEMBERED_MAX:
        try:
            del remembered[next(iter(remembered))]
        except (KeyError, RuntimeError):
            return  # Another thread was here first.
