"""New API keys: what is shown once, and what is kept of it."""

from __future__ import annotations

import hashlib
import secrets
import string
from dataclasses import dataclass
from typing import Final

_DIGITS: Final = string.digits + string.ascii_letters
#: log2(62 ** 43) is 256: guessing is out of the question, so a plain SHA-256 of it is enough.
_SECRET_DIGITS: Final = 43
_ID_DIGITS: Final = 12


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


def new_api_key() -> NewApiKey:
    """A key that nobody else has."""
    return NewApiKey(key_id=_random(_ID_DIGITS), secret=_random(_SECRET_DIGITS))


def _random(digits: int) -> str:
    return "".join(secrets.choice(_DIGITS) for _ in range(digits))
