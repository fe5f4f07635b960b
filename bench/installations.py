"""An installation to measure: real processes, customers on a plan, and a key to ask with."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from bench.place import FOLDER, Place
from entitlements import testing
from entitlements.domain.commands import (
    AssignWorkspace,
    DefineResourceKey,
    OpenPool,
    ProvisionPool,
)
from entitlements.domain.governance_commands import CreateApiKey
from entitlements.domain.values import Rule
from entitlements.ledger.caller import Caller, new_id
from entitlements.local.folder import a_free_port
from entitlements.settings import Settings
from entitlements.wiring import addresses, preparing, readiness
from entitlements.wiring.supervisor import Supervisor
from entitlements_projections import reading
from entitlements_projections.database import connect
from entitlements_projections.migrations import migrate

ORGANIZATION: Final = "acme"
PROCESSES: Final = ("engine", "publisher", "projector", "changes", "api")
CUSTOMERS: Final = 1_000


@contextmanager
def an_installation(
    place: Place,
    name: str = "serving",
    processes: Collection[str] = PROCESSES,
    customers: int = CUSTOMERS,
    api_workers: int = 1,
) -> Iterator[tuple[Settings, str, Supervisor]]:
    """Processes at work, customers ws-0, ws-1, ... on a plan, and a key to ask with."""
    with ExitStack() as stack:
        # Read models of another ledger in the same database would stand elsewhere than this one does.
        database = stack.enter_context(testing.a_database(place.stack.postgres))
        settings = place.installation(name).model_copy(
            update={
                "api_port": a_free_port(except_for=set()),
                "api_workers": api_workers,
                "key_requests_per_s": 1_000_000.0,
                "postgres": database,
            }
        )
        migrate(settings.postgres)
        preparing.prepare(settings)
        variables = addresses.environment_of(settings)
        supervisor = stack.enter_context(Supervisor(processes, variables, FOLDER / f"{name}-logs"))
        readiness.wait_until_at_work(settings, processes, 60.0)
        with Caller(settings) as caller:
            key = _prepared(settings, caller, customers)
        yield settings, key, supervisor


def _prepared(settings: Settings, caller: Caller, customers: int) -> str:
    key_id, secret = f"k{secrets.token_hex(8)}", secrets.token_hex(32)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    commands: list[Any] = [
        DefineResourceKey(command_id=new_id(), resource_key="sso", name="SSO", data_type="boolean"),
        DefineResourceKey(command_id=new_id(), resource_key="api_calls", name="Calls", data_type="integer"),
        CreateApiKey(
            command_id=new_id(), organization_id=ORGANIZATION, key_id=key_id, secret_sha256=digest, scopes=["read", "use"]
        ),
    ]  # fmt: skip
    commands += customers_on_a_plan(ORGANIZATION, customers, "pool-", "ws-")
    outcomes = caller.call_all(commands)
    assert all(outcome.is_accepted for outcome in outcomes)
    with connect(settings.postgres) as connection:
        for outcome in outcomes[:3] + outcomes[-1_000:]:
            reading.wait_for(connection, outcome.partition, outcome.frame_offset, 60.0)
    return f"ent_{key_id}_{secret}"


def customers_on_a_plan(organization_id: str, count: int, pools: str, customers: str) -> list[Any]:
    """Commands that give customers, named by what their ids begin with, a pool each on a plan of a feature and a quota."""
    rules = [
        Rule(resource_key="sso", rule_type="boolean", stacking="any"),
        Rule(resource_key="api_calls", rule_type="quota", amount=10**9, period="month", stacking="sum"),
    ]
    commands: list[Any] = []
    for number in range(count):
        pool: Any = {"pool_id": f"{pools}{number}"}
        commands += [
            OpenPool(command_id=new_id(), organization_id=organization_id, **pool),
            ProvisionPool(
                command_id=new_id(), provision_id="plan", source="subscription", set_id="pro", set_version=1, rules=rules,
                **pool,
            ),
            AssignWorkspace(command_id=new_id(), workspace_id=f"{customers}{number}", role="primary", **pool),
        ]  # fmt: skip
    return commands
