"""A whole installation for tests: every process on real Kafka and Postgres, and callers of its HTTP API."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx

from entitlements.domain.commands import Command
from entitlements.domain.governance_commands import CreateApiKey
from entitlements.ledger.caller import Caller, new_id
from entitlements.local.folder import a_free_port
from entitlements.settings import Settings
from entitlements.testing import unique_prefix
from entitlements.wiring import addresses, preparing, readiness
from entitlements.wiring.supervisor import Supervisor
from entitlements_projections import reading
from entitlements_projections.database import connect

PROCESSES = ("engine", "publisher", "projector", "changes", "api")
ALL_SCOPES = ("read", "use", "administer", "audit")
OPERATOR = "operator"
NAMED = "entitlements-organization"


@dataclass
class Service:
    """A running installation. url: of its HTTP API."""

    settings: Settings
    supervisor: Supervisor
    caller: Caller
    _keys: dict[tuple[Any, ...], str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://{self.settings.api_host}:{self.settings.api_port}"

    def key(
        self,
        organization_id: str,
        scopes: Sequence[str] = ALL_SCOPES,
        act_for: Literal["all"] | Sequence[str] = (),
        unit_id: str = "",
    ) -> str:
        """An API key of an organization, made when it is first asked for; it counts at once. act_for: as the operator gives it."""
        known = (organization_id, tuple(scopes), tuple(act_for), unit_id)
        if known not in self._keys:
            key_id, secret = f"k{secrets.token_hex(8)}", secrets.token_hex(32)
            digest = hashlib.sha256(secret.encode()).hexdigest()
            self.do(
                CreateApiKey(
                    command_id=new_id(), organization_id=organization_id, key_id=key_id, secret_sha256=digest,
                    scopes=list(scopes),  # type: ignore[arg-type]
                    act_for=[] if act_for == "all" else list(act_for), acts_for_all=act_for == "all", unit_id=unit_id,
                )
            )  # fmt: skip
            self._keys[known] = f"ent_{key_id}_{secret}"
        return self._keys[known]

    def client(self, organization_id: str = "acme", scopes: Sequence[str] = ALL_SCOPES, **more: Any) -> httpx.Client:
        """Somebody who asks with a key of an organization."""
        return self.client_with(self.key(organization_id, scopes), **more)

    def client_with(self, key: str, organization: str = "", **more: Any) -> httpx.Client:
        """Somebody who asks with a key, and names an organization in every request if one is given."""
        headers = {"authorization": f"Bearer {key}"} | ({NAMED: organization} if organization else {})
        # As many are kept as there may be: httpcore closes idle ones above that, and among them one that a thread was just given.
        limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
        return httpx.Client(base_url=self.url, headers=headers, timeout=30.0, limits=limits, **more)

    def do(self, *commands: Command) -> None:
        """Send commands past the API and wait until the read models know them."""
        outcomes = self.caller.call_all(commands)
        assert all(outcome.is_accepted for outcome in outcomes), outcomes
        with connect(self.settings.postgres) as connection:
            for outcome in outcomes:
                reading.wait_for(connection, outcome.partition, outcome.frame_offset, 20.0)


@contextmanager
def a_service(
    kafka: str, database: str, folder: Path, processes: Iterable[str] = PROCESSES, **more: Any
) -> Iterator[Service]:
    """Run an installation on servers that are there. more: settings."""
    settings = Settings(
        kafka=kafka, postgres=database, topic_prefix=unique_prefix(), installation=secrets.token_hex(4), api_port=a_free_port(except_for=set()),
        **({"partitions": 3, "session_timeout_for": 2.0} | more),
    )  # fmt: skip
    preparing.prepare(settings)
    names = tuple(processes)
    with Supervisor(names, addresses.environment_of(settings), folder) as supervisor:
        readiness.wait_until_at_work(settings, names, 60.0)
        with Caller(settings) as caller:
            yield Service(settings, supervisor, caller)
