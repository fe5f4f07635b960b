"""What an application gets that installs the client alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

import entitlements_client

FOREIGN = "starlette fastapi flask django openfeature pydantic orjson msgspec confluent_kafka psycopg entitlements"


def modules_after(statement: str) -> set[str]:
    code = f"{statement}; import sys; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_everything_but_frameworks_needs_httpx_alone() -> None:
    loaded = modules_after(f"from entitlements_client import {', '.join(entitlements_client.__all__)}")
    assert "httpx" in loaded
    assert not loaded & set(FOREIGN.split())


def test_deciding_needs_not_even_that() -> None:
    assert "httpx" not in modules_after("import entitlements_client.deciding")


def test_every_name_of_the_package_is_there_and_no_other() -> None:
    assert all(getattr(entitlements_client, name).__name__ == name for name in entitlements_client.__all__)
    with pytest.raises(AttributeError, match="Entitlement'"):
        _ = entitlements_client.Entitlement


@pytest.mark.parametrize("way", ["local", entitlements_client.Local])
@pytest.mark.parametrize("facade", [entitlements_client.Entitlements, entitlements_client.AsyncEntitlements])
def test_a_way_to_decide_that_is_none_says_what_to_give(facade: Any, way: Any) -> None:
    service = entitlements_client.Service("http://127.0.0.1:9", "ent_none")
    with pytest.raises(TypeError, match=r"way must be Remote\(\), Cached\(\) or Local\(\), not"):
        facade(service, way)
