"""The public keys of an issuer (JSON Web Key Set, RFC 7517).

They are fetched when the first is asked for, and again in the background every FETCH_AGAIN_AFTER_FOR seconds while they are
in use. A key that is not known is looked for at once, but not more often than every LOOK_AGAIN_AFTER_FOR seconds, whoever
asks. Keys that are known are never waited for: while the issuer does not answer they hold for KEPT_FOR_MAX seconds.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from entitlements.api.identity import Unauthenticated
from entitlements.errors import ServerIsAway

#: Seconds; see above.
FETCH_AGAIN_AFTER_FOR: Final = 300.0
LOOK_AGAIN_AFTER_FOR: Final = 10.0
KEPT_FOR_MAX: Final = 86_400.0
#: Seconds for one request to the issuer, and for whoever waits for one that somebody else began.
ANSWER_WITHIN_FOR: Final = 2.0
DOCUMENT_BYTES_MAX: Final = 1024 * 1024
RSA_BITS_MIN: Final = 2048

#: What a key of each kind may sign by. Nothing symmetric, and never "none": whoever has a public key could forge tokens.
_BY_KIND: Final = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC": ("ES256", "ES384", "ES512"),
    "OKP": ("EdDSA",),
}

_log = logging.getLogger(__name__)


class SigningKey(NamedTuple):
    """A public key, and what it may sign by."""

    key: Any
    algorithms: tuple[str, ...]


class SigningKeys:
    """The keys of one issuer, by their ids. Safe to share between threads."""

    def __init__(
        self, issuer: str, jwks_url: str | None = None, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuer = issuer
        self._given_url = self._url = jwks_url
        self._monotonic = monotonic
        self._keys: dict[str, SigningKey] = {}
        self._fetched_at = self._tried_at = float("-inf")
        self._failure: str | None = None
        self._fetching = threading.Lock()

    def known(self, key_id: str) -> SigningKey | None:
        """A key, if it is known; never waits. An empty id means the only key there is."""
        now = self._monotonic()
        if now - self._fetched_at > KEPT_FOR_MAX:
            return None
        if now - self._fetched_at > FETCH_AGAIN_AFTER_FOR and now - self._tried_at > LOOK_AGAIN_AFTER_FOR:
            self._tried_at = now
            threading.Thread(target=self._fetch_quietly, name="signing-keys", daemon=True).start()
        return self._named(key_id)

    def find(self, key_id: str) -> SigningKey:
        """A key, asking the issuer when it is not known. Raises Unauthenticated, ServerIsAway."""
        key = self.known(key_id)
        if key is not None:
            return key
        if not self._fetching.acquire(timeout=ANSWER_WITHIN_FOR):
            raise ServerIsAway(f"The keys of the issuer {self._issuer} are being fetched.")
        try:
            # Whoever held the lock may have found it.
            key = self._named(key_id) if self._monotonic() - self._fetched_at <= KEPT_FOR_MAX else None
            if key is None and self._monotonic() - self._tried_at > LOOK_AGAIN_AFTER_FOR:
                self._tried_at = self._monotonic()
                self._fetch()
                key = self._named(key_id)
        finally:
            self._fetching.release()
        if key is not None:
            return key
        if self._failure is not None:
            raise ServerIsAway(f"The keys of the issuer {self._issuer} cannot be fetched: {self._failure}")
        raise Unauthenticated("The signing key of the token is unknown.")

    def _named(self, key_id: str) -> SigningKey | None:
        keys = self._keys
        if not key_id and len(keys) == 1:
            return next(iter(keys.values()))
        return keys.get(key_id)

    def _fetch_quietly(self) -> None:
        with self._fetching:
            self._fetch()

    def _fetch(self) -> None:
        """Ask the issuer, in at most two requests. Keys that it names no longer are forgotten; a failure forgets none."""
        try:
            with httpx.Client(timeout=ANSWER_WITHIN_FOR, follow_redirects=False) as client:
                if self._url is None:
                    self._url = self._discovered(client)
                keys = _usable(_document(client, self._url))
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            self._failure = str(error) or type(error).__name__
            self._url = self._given_url  # What was discovered may have moved.
            _log.warning("Cannot fetch the signing keys of %s: %s", self._issuer, self._failure)
            return
        self._failure = None
        if keys.keys() != self._keys.keys():
            _log.info("Issuer %s uses signing keys %s", self._issuer, ", ".join(sorted(keys)) or "nothing")
        self._keys, self._fetched_at = keys, self._monotonic()

    def _discovered(self, client: httpx.Client) -> str:
        """Where the keys are, by OpenID Connect Discovery."""
        told = _document(client, f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if told.get("issuer") != self._issuer or not isinstance(told.get("jwks_uri"), str):
            raise ValueError("the openid-configuration names another issuer or no jwks_uri")
        return str(told["jwks_uri"])


def _document(client: httpx.Client, url: str) -> dict[str, Any]:
    """A JSON object. Raises httpx.HTTPError, ValueError; a long or slow answer is cut off."""
    until = time.monotonic() + ANSWER_WITHIN_FOR
    body = bytearray()
    with client.stream("GET", url, headers={"accept": "application/json"}) as response:
        response.raise_for_status()
        for part in response.iter_bytes():
            body += part
            if len(body) > DOCUMENT_BYTES_MAX or time.monotonic() > until:
                raise ValueError(f"the response of {url} is too large or too slow")
    told = httpx.Response(200, content=bytes(body)).json()
    if not isinstance(told, dict):
        raise ValueError(f"{url} did not return a JSON object")  # noqa: TRY004 - the content is wrong, not our use of it.
    return told


def _usable(document: dict[str, Any]) -> dict[str, SigningKey]:
    """The keys for signatures in a set that we can use; others are passed over (RFC 7517, section 5)."""
    found: dict[str, SigningKey] = {}
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise ValueError("the response has no list of keys")  # noqa: TRY004 - as above.
    for told in listed:
        if not isinstance(told, dict) or told.get("use", "sig") != "sig" or told.get("kty") not in _BY_KIND:
            continue
        algorithms = tuple(name for name in _BY_KIND[told["kty"]] if told.get("alg", name) == name)
        try:
            key = PyJWK(told).key
        except (PyJWTError, ValueError, TypeError):
            continue
        if algorithms and not (isinstance(key, RSAPublicKey) and key.key_size < RSA_BITS_MIN):
            found[str(told.get("kid", ""))] = SigningKey(key, algorithms)
    return found
