"""Each query of docs/analytics.md is run by psql, as a reader, against a filled database; what the page shows is what psql prints."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from entitlements import examples as ask
from entitlements import examples_of_governance as governs
from entitlements import examples_of_terms as terms
from entitlements import testing
from entitlements.access.log import tables as of_access_log
from entitlements.domain.aggregate import from_ms, to_ms
from entitlements.ledger.frames import decode_plain_events
from entitlements.local.postgres import program
from entitlements.settings import Settings
from entitlements.wiring.preparing import prepare_reporting, prepare_tables
from entitlements_projections.database import connect
from entitlements_projections.reporting import SCHEMA, VIEWS
from entitlements_projections.testing import SyntheticLedger, all_frames, write

PAGE = Path(__file__).parents[2] / "docs/analytics.md"
#: A query and what it prints.
SAMPLES = re.findall(r"^```sql\n(select.*?)^```\n\n```\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
PRO = [
    ask.quota("api_calls", 1_000, soft_limit=800, period="lifetime"),
    ask.limit("storage", 5_000),
    ask.limit("seats", 1, per_unit=True),
    ask.feature("sso"),
]
FREE = [ask.quota("api_calls", 100, period="lifetime"), ask.limit("storage", 500)]


def at(day: int, hour: int = 9) -> int:
    return to_ms(datetime(2025, 11, day, hour, tzinfo=UTC))


def used(pool: str, customer: str, key: str, quantity: int, usage_id: str, mode: Any = "strict") -> Any:
    line = ask.line(key, quantity, mode, workspace_id=customer, usage_id=usage_id)
    return ask.record_usage(line, pool_id=pool)


def happened() -> Iterator[tuple[int, list[Any]]]:
    """Three companies in the first days of November 2025."""
    yield (
        at(1),
        [
            ask.define_resource_key("api_calls", name="API calls", unit="call"),
            ask.define_resource_key("storage", name="Storage", unit="GB", scale=2),
            ask.define_resource_key("seats", name="Seats", unit="seat"),
            ask.define_resource_key("sso", name="Single sign-on", data_type="boolean", unit=""),
            ask.define_entitlement_set("pro", *PRO, rung=2),
            ask.define_entitlement_set("free", *FREE, rung=1),
        ],
    )
    for place, (pool, plan) in enumerate({"acme": "pro", "globex": "free", "initech": "free"}.items()):
        yield at(1, 10) + place, [
            ask.open_pool(pool_id=f"{pool}-api", organization_id=f"{pool}-inc", name=pool.title(), billing_account_id=f"cus_{pool}", actor="billing"),
            ask.provision_pool(
                f"prv-{pool}", *(PRO if plan == "pro" else FREE), pool_id=f"{pool}-api", source_id=f"sub_{81 + place}", set_id=plan,
                ladder="plans", rung=2 if plan == "pro" else 1, quantity=4 if plan == "pro" else 1, billing_period="month", actor="billing",
            ),
            ask.assign_workspace("ws-1", pool_id=f"{pool}-api", actor="billing"),
        ]  # fmt: skip
    yield (
        at(2),
        [
            ask.assign_workspace("ws-2", pool_id="acme-api", actor="billing"),
            terms.configure_on_demand(pool_id="initech-api", payer="cus_initech", actor="bob"),
            governs.create_api_key(
                "HnJr3NpArnhF", organization_id="acme-inc", name="backend", scopes=["read", "use"], actor="bob"
            ),
            governs.create_api_key(
                "pQ7vXw2mZk41", organization_id="globex-inc", name="trial", expires_at=from_ms(at(20)), actor="bob"
            ),
        ],
    )
    yield (
        at(3),
        [
            used("acme-api", "ws-1", "api_calls", 400, "req-1"),
            used("acme-api", "ws-1", "storage", 1_250, "req-2"),
            used("globex-api", "ws-1", "api_calls", 80, "req-3"),
        ],
    )
    yield (
        at(4),
        [
            used("acme-api", "ws-1", "api_calls", 150, "req-4"),
            used("acme-api", "ws-2", "api_calls", 300, "req-5"),
            used("globex-api", "ws-1", "api_calls", 50, "req-6", "report"),
            used("initech-api", "ws-1", "api_calls", 150, "req-7"),
        ],
    )
    yield at(5), [
        ask.issue_grant(
            "g-1", ask.quota("api_calls", 200, period="lifetime"), pool_id="acme-api", set_id="goodwill", reason="outage on 3 November", actor="ann",
        ),
        terms.set_override(
            7_500, pool_id="acme-api", override_id="o-1", resource_key="storage", reason="migration until January", actor="ann"
        ),
    ]  # fmt: skip


def logged() -> list[dict[str, Any]]:
    """Two refusals in the access log."""
    common: dict[str, Any] = {
        "organization_id": "globex-inc", "customer_id": "ws-1", "resource_key": "api_calls", "entitlement_type": "quota", "subject_id": "kim",
        "action": "", "result": "denied", "reason": "quota_exceeded", "request_id": "", "ip_address": "", "user_agent": "",
        "resource_type": "", "resource_id": "", "policy_version": 0, "as_of": "", "lag_ms": 3, "source": "SERVICE", "count": 1,
        "asked_by": "pQ7vXw2mZk41", "asked_by_organization": "globex-inc",
    }  # fmt: skip
    sso = {"resource_key": "sso", "entitlement_type": "", "reason": "not_entitled", "quantity": None}
    return [
        common | {"decision_id": "d-1", "occurred_at": at(4, 12), "quantity": 10},
        common | sso | {"decision_id": "d-2", "occurred_at": at(4, 13)},
    ]


@pytest.fixture(scope="module")
def database(postgres: str) -> Iterator[str]:
    """As `entitlements migrate` leaves it, filled, and the two lines of the page done for ana."""
    with testing.a_database(postgres) as database:
        settings = Settings(postgres=database)
        prepare_tables(settings)
        assert prepare_reporting(settings) == []
        ledger = SyntheticLedger()
        for instant, commands in happened():
            ledger.ask(instant, *commands)
        assert not [refused for frame in all_frames(ledger) for refused in decode_plain_events(frame.value).refusals]
        with closing(connect(database)) as connection:
            write(connection, all_frames(ledger))
        with closing(of_access_log.open_tables(database)) as connection:
            of_access_log.create_days(connection, [date(2025, 11, 4)])
            of_access_log.write(connection, logged(), {0: (-1, 2)})
        with closing(psycopg.connect(database, autocommit=True)) as admin:
            admin.execute("drop role if exists ana")
            for line in re.findall(
                r"^create role ana .*$|^grant .* to ana;$|^alter role ana .*$", PAGE.read_text(), re.MULTILINE
            ):
                admin.execute(line.encode())
            try:
                yield psycopg.conninfo.make_conninfo(database, user="ana")
            finally:
                admin.execute("drop role ana")


def printed(database: str, query: str) -> str:
    """What psql prints, without the blanks at the ends of lines."""
    command = [program("psql"), "--no-psqlrc", "--quiet", "-v", "ON_ERROR_STOP=1", "-c", query, database]
    done = subprocess.run(
        command,
        env=os.environ | {"PGTZ": "UTC", "PAGER": "", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return "\n".join(line.rstrip() for line in done.stdout.rstrip().splitlines()) + "\n"


@pytest.mark.parametrize(("query", "output"), SAMPLES, ids=lambda text: " ".join(text.split())[:60])
def test_a_query_prints_what_the_page_shows(database: str, query: str, output: str) -> None:
    assert printed(database, query) == output


def test_the_page_has_a_sample_for_every_view_and_says_what_each_holds() -> None:
    queries = " ".join(query for query, _ in SAMPLES)
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE))
    assert rows.keys() == {name for name in VIEWS if name != "functions"}
    assert not [name for name in rows if not re.search(rf"\b{name}\b", queries)]
    assert PAGE.read_text().count("```sql\nselect") == len(SAMPLES)
    assert f"search_path = {SCHEMA}" in PAGE.read_text()


def test_other_statements_of_the_page_for_administrators_do_what_it_says(database: str, postgres: str) -> None:
    statements = re.findall(r"^(?:alter role ana set \w+_timeout|revoke execute) .*;$", PAGE.read_text(), re.MULTILINE)
    assert len(statements) == 3
    as_admin = psycopg.conninfo.make_conninfo(database, user=psycopg.conninfo.conninfo_to_dict(postgres)["user"])
    with (
        closing(psycopg.connect(as_admin, autocommit=True)) as admin,
        closing(psycopg.connect(database)) as ana,
    ):
        for line in statements:
            admin.execute(line.encode())
        for call in ("lo_creat(-1)", "lo_create(0)", "lo_from_bytea(0, 'a')"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), ana.transaction():
                ana.execute(f"select {call}".encode())
    with closing(psycopg.connect(database)) as ana:
        assert ana.execute("show idle_in_transaction_session_timeout").fetchone() == ("5min",)


def test_the_page_names_each_table_and_column_that_readers_may_not_read_whole(database: str) -> None:
    unreadable = """select c.relname, a.attname from pg_class c join pg_attribute a on a.attrelid = c.oid
        where c.relnamespace in ('entitlements'::regnamespace, 'entitlements_access_log'::regnamespace) and c.relkind in ('r', 'p')
            and not c.relispartition and a.attnum > 0 and not a.attisdropped
            and not has_column_privilege(c.oid, a.attnum, 'select')"""
    with closing(psycopg.connect(database)) as ana:
        found = ana.execute(unreadable).fetchall()
        called = ana.execute("""select distinct table_schema, column_name from information_schema.columns
            where table_schema in ('entitlements', 'entitlements_access_log') and column_name in ('customer_id', 'workspace_id')""")
        assert set(called) == {("entitlements", "workspace_id"), ("entitlements_access_log", "customer_id")}
    assert found
    for table, column in found:
        assert f"the table `{table}` because of its `{column}`" in " ".join(PAGE.read_text().split())
