"""API keys as they are read from a real Postgres."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from entitlements.api.auth import ApiKeys, Knowing, PostgresKeys, authenticator
from entitlements.api.auth.api_keys import HONOURED_FOR_MAX
from entitlements.api.identity import OWN, Unauthenticated
from entitlements.errors import ServerIsAway
from entitlements.settings import Settings
from entitlements_projections.database import Connection, connect
from entitlements_projections.migrations import migrate


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    migrate(database)
    with closing(connect(database)) as connection:
        yield connection


@pytest.fixture
def keys(database: str, connection: Connection) -> Iterator[PostgresKeys]:
    with closing(PostgresKeys(database)) as keys:
        yield keys


def create(connection: Connection, key_id: str, secret: str, **columns: object) -> None:
    row = {
        "key_id": key_id,
        "organization_id": "acme",
        "secret_sha256": hashlib.sha256(secret.encode()).hexdigest(),
        "name": "a key",
        "scopes": ["read", "audit"],
        "act_for": [],
        "acts_for_all": False,
        "unit_id": "",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "actor": "alice",
        "version": 1,
    } | columns
    names = ", ".join(row)
    connection.execute(
        f"insert into api_keys ({names}) values ({', '.join(['%s'] * len(row))})".encode(), list(row.values())
    )


def is_let_in(who: Knowing) -> bool:
    try:
        who.identify("Bearer ent_key00001_s")
    except Unauthenticated:
        return False
    return True


def test_a_key_is_what_its_row_says(connection: Connection, keys: PostgresKeys) -> None:
    ends_at = datetime(2030, 1, 1, tzinfo=UTC)
    create(connection, "key00001", "s", expires_at=ends_at, requests_per_s=7)
    found = keys.key_of("key00001")
    assert found is not None
    assert (found.organization_id, found.requests_per_s) == ("acme", 7.0)
    assert found.scopes == {"read", "audit"}
    assert found.ends_at == ends_at.timestamp()
    assert (found.act_for, found.unit_id) == (OWN, "")
    create(connection, "key00003", "s", act_for=["globex", "initech"], unit_id="emea")
    create(connection, "key00004", "s", acts_for_all=True)
    listed, everybody = keys.key_of("key00003"), keys.key_of("key00004")
    assert listed is not None
    assert everybody is not None
    assert (listed.act_for, listed.unit_id, everybody.act_for) == (frozenset({"globex", "initech"}), "emea", "all")
    assert keys.key_of("key00002") is None


def test_an_organization_that_takes_the_id_of_anothers_key_takes_nothing_from_it(
    connection: Connection, keys: PostgresKeys
) -> None:
    for number, organization in enumerate(("zeta", "acme", "beta")):
        create(
            connection,
            "key00001",
            organization,
            organization_id=organization,
            created_at=datetime(2026, 1, 1 + number, tzinfo=UTC),
        )
    found = keys.key_of("key00001")
    assert found is not None
    assert found.organization_id == "zeta"


def test_a_key_that_is_revoked_in_the_table_stops_working_within_the_stated_time(
    connection: Connection, database: str
) -> None:
    create(connection, "key00001", "s")
    with closing(authenticator(Settings(postgres=database))) as who:
        who.identify("Bearer ent_key00001_s")
        connection.execute(b"update api_keys set revoked_at = now()")
        began = time.monotonic()
        while is_let_in(who):
            assert time.monotonic() - began < HONOURED_FOR_MAX
            time.sleep(0.02)


def test_a_secret_is_never_kept_in_memory(connection: Connection, keys: PostgresKeys) -> None:
    create(connection, "key00001", "very-secret")
    who = ApiKeys(keys, Settings())
    who.identify("Bearer ent_key00001_very-secret")
    assert "very-secret" not in repr([(m.key, m.identity) for m in who._known.values()])


def test_a_postgres_that_is_away_is_said_in_bounded_time() -> None:
    with closing(PostgresKeys("postgresql://127.0.0.1:1/none")) as keys:
        began = time.monotonic()
        with pytest.raises(ServerIsAway):
            keys.key_of("key00001")
        assert time.monotonic() - began < 4
