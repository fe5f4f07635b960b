"""What a team would build instead: thirty lines of FastAPI, with a row a quota, on the same Postgres; a stored procedure; Valkey.

Each gets what makes it fast: a pool of connections, statements prepared and one round trip a request, rows with room for updates in
place, the server and the event loop that ours has. Postgres commits to disk, and so does Valkey (`appendfsync always`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
import valkey.asyncio
from fastapi import FastAPI, HTTPException
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel
from valkey.asyncio.connection import BlockingConnectionPool

from bench.postgres import SINGLE

#: Connections: more of them stand in each other's way on two cores.
CONNECTIONS: Final = 16
POSTGRES: Final = "BENCH_POSTGRES"
VALKEY: Final = "BENCH_VALKEY"
TABLES: Final = """
drop schema if exists rival cascade;
create schema rival;
create table rival.quota (id text primary key, consumed bigint not null, lim bigint not null) with (fillfactor = 50);
create table rival.feature (id text primary key, allowed boolean not null);
create table rival.usage_events (
    id bigint generated always as identity primary key,
    quota_id text not null,
    quantity bigint not null,
    occurred_at timestamptz not null default now()
);
insert into rival.quota select 'ws-' || n, 0, 2^50 from generate_series(0, %(customers)s - 1) n;
insert into rival.feature select 'ws-' || n, true from generate_series(0, %(customers)s - 1) n;
create function rival.use(which text, quantity bigint) returns boolean language plpgsql as $$
begin
    update rival.quota set consumed = consumed + use.quantity where id = which and consumed + use.quantity <= lim;
    if not found then
        return false;
    end if;
    insert into rival.usage_events (quota_id, quantity) values (which, use.quantity);
    return true;
end $$;
"""
SCRIPT: Final = """
local consumed = redis.call('HINCRBY', KEYS[1], 'consumed', ARGV[1])
if consumed > tonumber(ARGV[2]) then
    redis.call('HINCRBY', KEYS[1], 'consumed', -ARGV[1])
    return 0
end
redis.call('XADD', 'usage_events', '*', 'quota', KEYS[1], 'quantity', ARGV[1])
return 1
"""
LIMIT: Final = 2**50

# --- The thirty lines -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open connections, and close them."""
    kwargs = {"autocommit": True, "prepare_threshold": 0}
    async with AsyncConnectionPool(os.environ[POSTGRES], min_size=CONNECTIONS, kwargs=kwargs) as pool:
        client: Any = valkey.asyncio.Valkey(
            connection_pool=BlockingConnectionPool.from_url(os.environ[VALKEY], max_connections=CONNECTIONS)
        )
        app.state.postgres, app.state.use_in_valkey = pool, client.register_script(SCRIPT)
        yield
        await client.aclose()


app = FastAPI(lifespan=lifespan)


class Usage(BaseModel):
    """Usage to record."""

    customer_id: str
    resource_key: str
    quantity: int = 1


class Check(BaseModel):
    """A question."""

    customer_id: str
    resource_key: str


@app.post("/usage")
async def use(usage: Usage) -> dict[str, str]:
    """A conditional UPDATE and an INSERT."""
    async with app.state.postgres.connection() as connection:
        cursor = await connection.execute(SINGLE, {"id": usage.customer_id, "q": usage.quantity})
        if cursor.rowcount != 1:
            raise HTTPException(409, "insufficient_quota")
    return {"status": "recorded"}


@app.post("/check")
async def check(question: Check) -> dict[str, bool]:
    """Whether a customer has a feature."""
    async with app.state.postgres.connection() as connection:
        cursor = await connection.execute("select allowed from rival.feature where id = %s", [question.customer_id])
        row = await cursor.fetchone()
    return {"allowed": row is not None and row[0]}


# --- The other two ----------------------------------------------------------------------------------------------------


@app.post("/usage/procedure")
async def use_by_procedure(usage: Usage) -> dict[str, str]:
    """The same by a procedure that is stored in Postgres."""
    async with app.state.postgres.connection() as connection:
        cursor = await connection.execute(
            "select rival.use(%s, %s::bigint)", [usage.customer_id, usage.quantity], binary=True
        )
        if (await cursor.fetchone())[0] is not True:
            raise HTTPException(409, "insufficient_quota")
    return {"status": "recorded"}


@app.post("/usage/valkey")
async def use_in_valkey(usage: Usage) -> dict[str, str]:
    """The same by a script in Valkey."""
    if not await app.state.use_in_valkey(keys=[f"quota:{usage.customer_id}"], args=[usage.quantity, LIMIT]):
        raise HTTPException(409, "insufficient_quota")
    return {"status": "recorded"}


# --- As a process -----------------------------------------------------------------------------------------------------


def prepare(url: str, customers: int) -> None:
    """Make the tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TABLES.replace("%(customers)s", str(customers)))
        connection.execute("vacuum analyze rival.quota, rival.feature")
        connection.execute("checkpoint")


def recorded(url: str) -> int:
    """Usage that the tables hold. Raises AssertionError: rows and events differ."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "select (select sum(consumed) from rival.quota), (select coalesce(sum(quantity), 0) from rival.usage_events)"
        ).fetchone()
    assert row is not None and row[0] == row[1], f"rows and events say {row}"  # noqa: PT018
    return int(row[0])


def main(port: int) -> None:
    """Serve on a port, with the server and the loop that ours has."""
    from granian.constants import Interfaces, Loops
    from granian.server import Server

    server: Any = Server(
        "bench.whole.rivals:app", address="127.0.0.1", port=port, interface=Interfaces.ASGI, workers=1, loop=Loops.uvloop
    )  # fmt: skip
    server.serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
