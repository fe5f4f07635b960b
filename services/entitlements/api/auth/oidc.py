"""Who asks, by a bearer token of an OpenID Connect issuer (a signed JWT, RFC 7519 and 9068)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import jwt

from entitlements.api.auth.api_keys import token_of
from entitlements.api.auth.claims import identity_by
from entitlements.api.auth.signing import SigningKey, SigningKeys
from entitlements.api.identity import Identity, Unauthenticated

if TYPE_CHECKING:
    from entitlements.settings import Settings

#: Seconds by which the issuer's clock and ours may differ.
LEEWAY_FOR: Final = 30
#: Seconds for which a proven token is not proven again; a key that the issuer withdrew is honoured so much longer.
PROVEN_FOR_MAX: Final = 60.0
REMEMBERED_MAX: Final = 10_000
TOKEN_CHARACTERS_MAX: Final = 16 * 1024


class BearerTokens:
    """Tells who asks by `Bearer <JWT>`. Safe to share between threads.

    A token is proven by one of the issuer's keys, names issuer, audience, subject and expiry, and is not before its time.
    """

    def __init__(self, keys: SigningKeys, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._settings = settings
        self._clock = clock
        #: By the token's SHA-256: who presents it, and until when (seconds since 1970).
        self._proven: dict[bytes, tuple[Identity, float]] = {}

    def known(self, authorization: str) -> Identity | None:
        """Who asks, unless the key that signed the token has yet to be fetched. Raises Unauthenticated."""
        token = token_of(authorization)
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        remembered = self._proven.get(digest)
        if remembered is not None and self._clock() < remembered[1]:
            return remembered[0]
        key = self._keys.known(_key_id(token))
        return None if key is None else self._prove(token, digest, key)

    def identify(self, authorization: str) -> Identity:
        """Who asks; waits for the issuer's keys where they are not known. Raises Unauthenticated, ServerIsAway."""
        identity = self.known(authorization)
        if identity is not None:
            return identity
        token = token_of(authorization)
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        return self._prove(token, digest, self._keys.find(_key_id(token)))

    def forget(self, key_id: str) -> None:
        """Tokens are their issuer's to withdraw."""

    def close(self) -> None:
        """There is nothing to close."""

    def _prove(self, token: str, digest: bytes, key: SigningKey) -> Identity:
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key.key,
                algorithms=list(key.algorithms),
                issuer=self._settings.oidc_issuer,
                audience=self._settings.oidc_audience,
                leeway=LEEWAY_FOR,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (jwt.PyJWTError, ValueError, OverflowError) as error:
            raise Unauthenticated(str(error)) from error
        identity = identity_by(claims, self._settings)
        now = self._clock()
        self._proven[digest] = identity, min(now + PROVEN_FOR_MAX, int(claims["exp"]) + LEEWAY_FOR)
        if len(self._proven) > REMEMBERED_MAX:
            self._forget_some(now)
        return identity

    def _forget_some(self, now: float) -> None:
        """Those that are over; all, should that be too few."""
        left = {digest: entry for digest, entry in list(self._proven.items()) if now < entry[1]}
        self._proven = left if len(left) <= REMEMBERED_MAX // 2 else {}


def _key_id(token: str) -> str:
    """The id of the key that a token says it is signed by; empty: it does not say. Raises Unauthenticated."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise Unauthenticated("The token is too long.")
    try:
        key_id = jwt.get_unverified_header(token).get("kid", "")
    except (jwt.PyJWTError, ValueError) as error:
        raise Unauthenticated("The value is neither an API key nor a signed token.") from error
    return str(key_id)
