"""A role of Postgres that may do little: each refusal is a sentence with the statements that help, and those do; on a real Postgres."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from entitlements import testing
from entitlements.cli.running import run
from entitlements_projections.reporting import SCHEMA

SCHEMAS = ("entitlements", "entitlements_access_log", SCHEMA)


@dataclass
class Few:
    """A login without any right, in a database of its own."""

    name: str
    admin: psycopg.Connection[Any]
    migrate: Callable[[], tuple[int, dict[str, Any], str]]

    def run(self, sentence: str) -> None:
        """Run, as an administrator, the statements that a sentence names."""
        (lines,) = re.findall("run `(.*?;)`", sentence)
        self.admin.execute(lines.encode())


@pytest.fixture
def few(
    postgres: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Few]:
    name = f"few_{secrets.token_hex(4)}"
    with testing.a_database(postgres) as database, closing(psycopg.connect(database, autocommit=True)) as admin:
        admin.execute(f"create role {name} login".encode())
        monkeypatch.setenv("ENTITLEMENTS_POSTGRES", psycopg.conninfo.make_conninfo(database, user=name))

        def migrate() -> tuple[int, dict[str, Any], str]:
            """Exit status, the document, and what is printed without --json."""
            status = run(["migrate", "--json", "--data", str(tmp_path)])
            document = json.loads(capsys.readouterr().out)
            assert run(["migrate", "--data", str(tmp_path)]) == status
            said = capsys.readouterr()
            assert "Traceback" not in said.err
            return status, document, " ".join((said.out + said.err).split())

        try:
            yield Few(name, admin, migrate)
        finally:
            admin.execute(f"drop owned by {name} cascade".encode())
            admin.execute(f"drop role {name}".encode())


def test_a_role_that_may_not_create_schemas_is_told_the_grant_that_it_lacks(few: Few) -> None:
    status, document, said = few.migrate()
    assert (status, document["error"]["code"]) == (1, "rights_are_missing")
    assert f"As an administrator run `grant create on database {few.admin.info.dbname} to {few.name};`" in said
    few.run(said)
    status, document, _ = few.migrate()
    assert status == 0
    assert document["left_to_do"] == [] or document["left_to_do"][0].startswith(
        "The role entitlements_reader is missing"
    )


def test_an_extension_that_may_not_be_created_is_named(few: Few) -> None:
    for schema in SCHEMAS:
        few.admin.execute(f"create schema {schema} authorization {few.name}".encode())
    status, _, said = few.migrate()
    assert status == 1
    assert "run `create extension btree_gist with schema public;`" in said
    few.run(said)
    status, document, _ = few.migrate()
    assert status == 0
    assert not [left for left in document["left_to_do"] if "views" in left]


def able(few: Few) -> None:
    """Everything that the service needs, and the role for readers."""
    few.admin.execute("create extension btree_gist with schema public")
    for schema in SCHEMAS[:2]:
        few.admin.execute(f"create schema {schema} authorization {few.name}".encode())
    if few.admin.execute("select from pg_roles where rolname = 'entitlements_reader'").fetchone() is None:
        few.admin.execute("create role entitlements_reader nologin")


def test_the_schema_of_views_of_somebody_else_is_left_to_an_administrator(few: Few) -> None:
    able(few)
    few.admin.execute(f"create schema {SCHEMA}".encode())
    status, document, said = few.migrate()
    assert status == 0
    (left, *_) = document["left_to_do"]
    assert f"run `alter schema {SCHEMA} owner to {few.name};`" in left
    assert f"{few.name}: permission denied for schema {SCHEMA}." in said
    few.run(left)
    assert few.migrate()[1]["left_to_do"] == []


def test_a_view_of_somebody_else_is_left_to_an_administrator(few: Few) -> None:
    able(few)
    few.admin.execute(f"create schema {SCHEMA} authorization {few.name}".encode())
    few.admin.execute(f"create view {SCHEMA}.freshness as select 1 as partition".encode())
    status, document, _ = few.migrate()
    assert status == 0
    (left, *_) = document["left_to_do"]
    assert f"run `alter table {SCHEMA}.freshness owner to {few.name};`" in left
    few.run(left)
    assert few.migrate()[1]["left_to_do"] == []
    assert few.admin.execute(f"select count(*) from {SCHEMA}.freshness".encode()).fetchone() == (0,)


def test_what_readers_still_lack_after_the_grants_is_left_to_an_administrator(few: Few) -> None:
    """Postgres only warns about a grant that has no effect."""
    few.admin.execute("create extension btree_gist with schema public")
    for schema in SCHEMAS:
        few.admin.execute(f"create schema {schema}".encode())
        few.admin.execute(f"grant usage, create on schema {schema} to {few.name}".encode())
    if few.admin.execute("select from pg_roles where rolname = 'entitlements_reader'").fetchone() is None:
        few.admin.execute("create role entitlements_reader nologin")
    status, document, said = few.migrate()
    assert status == 0
    (left,) = document["left_to_do"]
    for schema in SCHEMAS:
        assert f"grant usage on schema {schema} to entitlements_reader;" in left.replace('"', "")
    assert "entitlements_reader may not read everything" in said
    few.run(left)
    assert few.migrate()[1]["left_to_do"] == []
    few.admin.execute("set role entitlements_reader")
    assert few.admin.execute(f"select count(*) from {SCHEMA}.customer_entitlements".encode()).fetchone() == (0,)
    few.admin.execute("reset role")
