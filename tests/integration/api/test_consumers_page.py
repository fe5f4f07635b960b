"""The examples for consumers, auditors and analysts are run as they stand, against a running installation and its registry."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import pytest
from tests.integration.api.conftest import Account
from tests.registries import a_registry
from tests.serving import Service

from entitlements.local.postgres import program
from entitlements_projections.database import connect

DOCS = Path(__file__).parents[3] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Seen(Exception):
    """The example printed what was waited for: its loop ends here."""


@pytest.fixture
def folder(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where `entitlements up` was started: with the addresses of the installation, and of a registry."""
    with a_registry() as address:
        (tmp_path / ".entitlements").mkdir()
        addresses = {"kafka": service.settings.kafka, "registry": address}
        (tmp_path / ".entitlements/addresses.json").write_text(json.dumps(addresses))
        monkeypatch.chdir(tmp_path)
        yield tmp_path


def run(code: str, is_it: Callable[[str], bool]) -> str:
    """Run an example until it prints the line; gives that line."""
    found = list[str]()

    def hear(*parts: Any) -> None:
        found.append(" ".join(map(str, parts)))
        if is_it(found[-1]):
            raise Seen

    names: dict[str, Any] = {"print": hear}
    with pytest.raises(Seen):
        exec(compile(code, "example", "exec"), names)
    names["consumer"].close()
    return found[-1]


def with_topics_of(service: Service, code: str) -> str:
    return re.sub(
        r'"entitlements\.(changes|events|usage|ledger)"', lambda name: f'"{service.settings.topic(name[1])}"', code
    )


@pytest.mark.usefixtures("folder")
def test_the_example_for_changes_reads_the_changes_of_a_customer(service: Service, account: Account) -> None:
    changes, _ = BLOCK.findall((DOCS / "consumers.md").read_text())
    line = f"entitlement.granted {account.organization_id} {account.customer_id} api_calls"
    assert run(with_topics_of(service, changes), line.__eq__) == line


@pytest.mark.usefixtures("folder")
def test_the_example_for_events_and_usage_reads_both_with_keys_of_text(service: Service, account: Account) -> None:
    _, events = BLOCK.findall((DOCS / "consumers.md").read_text())
    use = {"customer_id": account.customer_id, "resource_key": "api_calls", "quantity": 3}
    assert account.http.post("/v1/usage", json=use).is_success
    seen = set[str]()

    def both(line: str) -> bool:
        kind, key, _ = line.split()
        seen.update({kind} if key == account.pool_id else ())
        return {"entitlements.events.PoolOpened", "entitlements.events.UsageRecorded"} <= seen

    run(with_topics_of(service, events), both)


def test_the_query_of_the_readme_fits_a_terminal_of_80_columns(service: Service, account: Account) -> None:
    account.check("api_calls")
    (query,) = re.findall(r'-c "(select .*?)"', (DOCS.parent / "README.md").read_text(), re.DOTALL)
    command = [program("psql"), service.settings.postgres, "-c", query.replace("acme-inc", account.organization_id)]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert account.customer_id in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_the_package_has_the_extras_that_the_page_names() -> None:
    (extras,) = re.findall(r"pip install 'confluent-kafka\[([\w,]+)\]'", (DOCS / "consumers.md").read_text())
    assert set(extras.split(",")) <= set(metadata("confluent-kafka").get_all("Provides-Extra") or ())


def test_an_auditor_finds_a_kept_hash_again_and_notices_another(service: Service, account: Account) -> None:
    account.check("api_calls")  # It waits until the read models have all of the pool's frames.
    partition = int(account.token.partition(":")[0])
    with connect(service.settings.postgres) as connection:
        found: Any = connection.execute(
            "select position from entitlements.projection_positions where partition = %s", [partition]
        ).fetchone()
    at, _, digest, _ = kept = json.loads(found[0])
    (code,) = BLOCK.findall((DOCS / "ledger.md").read_text())
    code = with_topics_of(service, code).replace('"KAFKA"', f'"{service.settings.kafka}"')

    def told(row: Any) -> str:
        line = re.compile(r"^partition, .*$", re.MULTILINE)
        return run(line.sub(f"partition, (offset, _, saved, _) = {partition}, {row}", code), lambda _: True)

    name = f"Frame {at} of partition {partition}:"
    assert told(kept) == f"{name} unchanged"
    assert told([at, 0, "00" * 32, []]) == f"{name} NOT THE SAME ({digest})"
    assert (
        told([at + 1_000_000, 0, digest, []])
        == f"Frame {at + 1_000_000} of partition {partition}: NOT THE SAME (missing)"
    )
