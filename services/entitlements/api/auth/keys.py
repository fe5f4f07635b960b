"""API keys as the service keeps them, and where they come from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

import psycopg
from psycopg_pool import ConnectionPool

from entitlements.api.identity import OWN, ActFor
from entitlements.errors import ServerIsAway
from entitlements_projections.database import Connection, configure
from entitlements_projections.reading import access

#: How a key is written: ent_<key_id>_<secret>.
PREFIX: Final = "ent_"
#: Seconds for one look at Postgres, all in all: whoever presents a key for the first time waits for it.
LOOK_WITHIN_FOR: Final = 2.0
#: Keys are read when they are new here, and again every few seconds: few connections do.
_CONNECTIONS_MAX: Final = 4
_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key. Of its secret only the SHA-256 is known; instants are seconds since 1970, inf: never."""

    key_id: str
    organization_id: str
    secret_sha256: bytes
    scopes: frozenset[str]
    actor: str
    act_for: ActFor = OWN
    unit_id: str = ""
    #: Requests a second; None: what the settings say.
    requests_per_s: float | None = None
    ends_at: float = float("inf")

    def __post_init__(self) -> None:
        assert len(self.secret_sha256) == 32, "a SHA-256 has 32 bytes"


class KeySource(Protocol):
    """Tells keys by their id."""

    def key_of(self, key_id: str) -> ApiKey | None:
        """The key as it is now; None: there is none. Blocks, for a bounded time. Raises ServerIsAway."""
        ...


def is_key_id(text: str) -> bool:
    """Whether a text can be the id of a key at all."""
    return _KEY_ID.fullmatch(text) is not None


class PostgresKeys:
    """The read model api_keys. Connects when it is first asked; close it."""

    def __init__(self, conninfo: str) -> None:
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            conninfo,
            min_size=1,
            max_size=_CONNECTIONS_MAX,
            timeout=LOOK_WITHIN_FOR,
            kwargs={"autocommit": True, "connect_timeout": 2, "tcp_user_timeout": 2_000},
            configure=_configure,
            check=ConnectionPool.check_connection,
            open=False,
            name="api-keys",
        )

    def key_of(self, key_id: str) -> ApiKey | None:
        """The key as the read model tells it; a revoked or expired one too."""
        try:
            self._pool.open()
            with self._pool.connection() as connection:
                row = access.key_of(connection, key_id)
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.UndefinedTable) as error:
            raise ServerIsAway(f"Postgres: {error}") from error
        if row is None:
            return None
        return ApiKey(
            key_id=key_id,
            organization_id=row["organization_id"],
            secret_sha256=bytes.fromhex(row["secret_sha256"]),
            scopes=frozenset(row["scopes"]),
            act_for="all" if row["acts_for_all"] else frozenset(row["act_for"]),
            unit_id=row["unit_id"],
            # What the key does is done by the key, whoever made it.
            actor=f"key:{key_id}",
            requests_per_s=float(row["requests_per_s"]) if row["requests_per_s"] else None,
            ends_at=min(_seconds(row["expires_at"]), _seconds(row["revoked_at"])),
        )

    def close(self) -> None:
        """Let the connections go."""
        self._pool.close()


def _configure(connection: Connection) -> None:
    configure(connection)
    connection.execute(f"set statement_timeout to {round(LOOK_WITHIN_FOR * 1000)}".encode())


def _seconds(at: datetime | None) -> float:
    return float("inf") if at is None else at.timestamp()
