"""New API keys: what is shown once, and what is kept of it."""

from __future__ import annotations

import hashlib
import secrets
import string
from dataclasses import dataclass
from typing import Final

from entitlements.domain.ids import DERIVED, derived_id

_DIGITS: Final = string.digits + string.ascii_letters
#: log2(62 ** 43) is 256: guessing is out of the question, so a plain SHA-256 of it is enough.
_SECRET_DIGITS: Final = 43
_ID_DIGITS: Final = 12
#: In hexadecimal, 96 bits.
_ID_DIGITS_OF_REQUESTS: Final = 24


@dataclass(frozen=True, kw_only=True)
class NewApiKey:
    """A key that was just made up; nobody can see it a second time."""

    key_id: str
    secret: str

    @property
    def token(self) -> str:
        """What its holder sends: `Authorization: Bearer ent_<key_id>_<secret>`."""
        return f"ent_{self.key_id}_{self.secret}"

    @property
    def secret_sha256(self) -> str:
        """What is kept of the secret."""
        return hashlib.sha256(self.secret.encode()).hexdigest()


def new_api_key(key_id: str = "") -> NewApiKey:
    """A key that nobody else has. key_id: its id, where a request says which it is; empty: a new one."""
    return NewApiKey(key_id=key_id or _random(_ID_DIGITS), secret=_random(_SECRET_DIGITS))


def key_id_under(organization_id: str, idempotency_key: str) -> str:
    """The id of the API key that a request makes: the same for each repeat of it."""
    return derived_id("api_key", organization_id, idempotency_key).removeprefix(DERIVED)[:_ID_DIGITS_OF_REQUESTS]


def _random(digits: int) -> str:
    return "".join(secrets.choice(_DIGITS) for _ in range(digits))
