"""Clients that generators make of the OpenAPI document, with default options, against the running service."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.node.installing import HERE, MODULES, node


@pytest.fixture(scope="module")
def document(service: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("document") / "openapi.json"
    path.write_bytes(httpx.get(f"{service.url}/openapi.json").content)
    return path


def test_a_typescript_client_compiles_and_works(account: Any, document: Path, tmp_path: Path) -> None:
    """openapi-typescript and openapi-fetch: what an application does is in tests/node/client.ts."""
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "node_modules").symlink_to(MODULES)
    for name in ("client.ts", "tsconfig.json"):
        shutil.copy(HERE / name, tmp_path)
    node("openapi-typescript/bin/cli.js", document, "--output", tmp_path / "api.ts")
    node("typescript/bin/tsc", "--project", tmp_path)
    key = account.http.headers["authorization"]
    environment = {
        "URL_OF_SERVICE": account.service.url,
        "API_KEY": key.removeprefix("Bearer "),
        "CUSTOMER_ID": account.customer_id,
        "POOL_ID": account.pool_id,
    }
    found = json.loads(node(str(tmp_path / "client.js"), **environment))
    assert found == {
        "command": "IssueGrant",
        "isReplay": [False, True],
        "limit": 200,
        "allowed": True,
        "used": 3,
        "refused": {"code": "quota_exceeded", "remaining": 197, "refusedBy": account.pool_id},
        "events": [1, 2],
        "heard": "hello",
        "grants": ["by-typescript"],
    }


@pytest.fixture(scope="module")
def made(document: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The package that openapi-python-client makes of the document, all of it imported."""
    folder = tmp_path_factory.mktemp("made")
    programs = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}  # It formats with ruff.
    command = [
        programs / "openapi-python-client",
        "generate",
        "--path",
        document,
        "--meta",
        "none",
        "--output-path",
        folder / "made_client",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False, env=environment)
    said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    # It leaves out what it cannot make, and warns.
    assert (done.returncode, len(said)) == (0, 1), done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    package = importlib.import_module("made_client")
    for module in pkgutil.walk_packages(package.__path__, "made_client."):
        importlib.import_module(module.name)
    yield "made_client"
    sys.path.remove(str(folder))


def call(made: str, name: str, **arguments: Any) -> Any:
    """Call an operation: its module is found by its name, whatever its tag."""
    (module,) = [each for each in sys.modules if each.startswith(f"{made}.api.") and each.endswith(f".{name}")]
    return sys.modules[module].sync_detailed(**arguments)  # type: ignore[attr-defined]


def test_a_python_client_compiles_and_works(account: Any, made: str) -> None:
    models: Any = importlib.import_module(f"{made}.models")
    client = importlib.import_module(f"{made}.client").AuthenticatedClient(
        base_url=account.service.url, token=account.http.headers["authorization"].removeprefix("Bearer ")
    )
    grant = models.IssueGrant(pool_id=account.pool_id, grant_id="by-python", reason="a test", set_id="free")
    issued = [call(made, "issue_grant", client=client, body=grant, idempotency_key="grant-by-python") for _ in range(2)]
    assert [each.parsed.command for each in issued] == ["IssueGrant", "IssueGrant"]
    assert [each.headers.get("idempotent-replay") for each in issued] == [None, "true"]
    token = issued[0].headers["entitlements-consistency"]

    asked = models.CheckBody(customer_id=account.customer_id, resource_key="api_calls", quantity=3)
    decision = call(made, "check", client=client, body=asked, entitlements_consistency=token).parsed
    assert (decision.allowed, decision.limit) == (True, 200)

    usage = models.Usage(resource_key="api_calls", customer_id=account.customer_id, quantity=3)
    used = call(made, "record_usage", client=client, body=usage, idempotency_key="usage-by-python")
    assert used.parsed.quantity == 3
    usage.quantity = 1_000_000
    refused = call(made, "record_usage", client=client, body=usage)
    assert (refused.status_code, refused.parsed.code) == (409, "quota_exceeded")
    assert (refused.parsed.remaining, refused.parsed.pool_id) == (197, account.pool_id)

    events = [
        models.EventBody(
            id=f"e-{number}", source="/python", type_="com.example.called", specversion="1.0", subject=account.customer_id,
            data=models.UsageData(resource_key="api_calls", quantity=1),
        )
        for number in (1, 2)
    ]  # fmt: skip
    assert call(made, "ingest", client=client, body=events[0]).parsed.accepted == 1
    batch = call(made, "ingest_batch", client=client, body=events)
    assert batch.parsed.accepted == 2

    found = call(
        made,
        "pool",
        client=client,
        pool_id=account.pool_id,
        entitlements_consistency=batch.headers["entitlements-consistency"],
    ).parsed
    assert [each.grant_id for each in found.grants] == ["by-python"]
    assert [each.consumed for each in found.entitlements if each.resource_key == "api_calls"] == [5]
