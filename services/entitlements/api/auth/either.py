"""API keys and bearer tokens side by side: which of the two it is can be seen."""

from __future__ import annotations

from typing import Protocol

from entitlements.api.auth.api_keys import token_of
from entitlements.api.auth.keys import PREFIX
from entitlements.api.identity import Authenticator, Identity


class Knowing(Authenticator, Protocol):
    """An authenticator that can also say whether it has to wait."""

    def known(self, authorization: str) -> Identity | None:
        """Who asks, if that can be said without waiting; None: call identify, in a thread. Raises Unauthenticated."""
        ...

    def forget(self, key_id: str) -> None:
        """Learn an API key anew before it is honoured again."""
        ...

    def close(self) -> None:
        """Let go of connections and threads."""
        ...


class ByForm:
    """What begins with ent_ is an API key, everything else a bearer token."""

    def __init__(self, keys: Knowing, tokens: Knowing) -> None:
        self._keys, self._tokens = keys, tokens

    def known(self, authorization: str) -> Identity | None:
        """As Knowing says."""
        return self._for(authorization).known(authorization)

    def identify(self, authorization: str) -> Identity:
        """As Authenticator says."""
        return self._for(authorization).identify(authorization)

    def forget(self, key_id: str) -> None:
        """As Knowing says."""
        self._keys.forget(key_id)

    def close(self) -> None:
        """Close both."""
        self._keys.close()
        self._tokens.close()

    def _for(self, authorization: str) -> Knowing:
        return self._keys if token_of(authorization).startswith(PREFIX) else self._tokens
