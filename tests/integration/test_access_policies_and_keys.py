"""Access policies and API keys in the read models, on a real Postgres: as one document to decide by, and by the id of a key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, nullcontext
from datetime import timedelta
from typing import Any

import pytest

from entitlements.access.policy_source import PostgresPolicies
from entitlements.domain.aggregate import from_ms
from entitlements.domain.commands import Command
from entitlements.examples import define_resource_key
from entitlements.examples_of_governance import (
    ORGANIZATION,
    create_api_key,
    define_access_policy,
    retire_access_policy,
    revoke_api_key,
)
from entitlements_client.deciding import CustomerView, PolicySet, Request, decide
from entitlements_projections.database import Connection, connect
from entitlements_projections.migrations import migrate
from entitlements_projections.reading import access
from entitlements_projections.testing import AT_MS, SyntheticLedger, write

NOW = from_ms(AT_MS)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    migrate(database)
    with closing(connect(database)) as connection:
        yield connection


def told(connection: Connection, *commands: Command) -> None:
    ledger = SyntheticLedger()
    for at, command in enumerate(commands):
        write(connection, *([frame] for frame in ledger.ask(AT_MS + at, command)))


def loaded(connection: Connection, organization_id: str = ORGANIZATION) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(PostgresPolicies(lambda: nullcontext(connection)).load(organization_id))
    return document


def test_the_policies_that_count_are_one_document_that_compiles(connection: Connection) -> None:
    told(
        connection,
        define_resource_key("api_calls"),
        define_resource_key("beta_search", data_type="boolean"),
        define_access_policy(conditions=[{"field": "metadata.x", "operator": "greater_than", "value": 1.5}]),
        define_access_policy("nights", effect="DENY", priority=4),
        define_access_policy("gone"),
        retire_access_policy("gone"),
        define_access_policy("theirs", organization_id="somebody-else"),
    )
    document = loaded(connection)
    assert [policy["policy_id"] for policy in document["policies"]] == ["beta", "nights"]
    assert (document["organization_id"], document["version"], document["metered_keys"]) == (
        ORGANIZATION,
        4,
        ["api_calls"],
    )
    assert document["keys"] == {"api_calls": "integer", "beta_search": "boolean"}
    policies = PolicySet.compile(document)
    view = CustomerView.from_document({"customer_id": "c"})
    assert decide(view, policies, Request("c", "api_calls"), NOW).reason_code == "not_entitled"


def test_an_organization_without_policies_has_an_empty_document(connection: Connection) -> None:
    document = loaded(connection, "nobody")
    assert document == {"organization_id": "nobody", "version": 0, "policies": [], "metered_keys": [], "keys": {}}
    assert PolicySet.compile(document).policies == ()


def test_every_change_is_another_version_and_the_same_policies_are_the_same_bytes(connection: Connection) -> None:
    source = PostgresPolicies(lambda: nullcontext(connection))
    told(connection, define_access_policy(), define_access_policy("other"), retire_access_policy("other"))
    first = source.load(ORGANIZATION)
    assert (json.loads(first)["version"], source.load(ORGANIZATION)) == (3, first)
    rows = access.access_policies(connection, ORGANIZATION)
    retired = {row["policy_id"]: (row["policy_version"], row["retired_at"] is not None) for row in rows}
    assert retired == {"beta": (1, False), "other": (2, True)}


def test_a_key_is_found_by_its_id_with_when_it_ends(connection: Connection) -> None:
    later = NOW + timedelta(days=1)
    told(
        connection,
        create_api_key(scopes=["use", "read"], requests_per_s=50, expires_at=NOW + timedelta(days=90), name="shop"),
        revoke_api_key(revoke_at=later),
    )
    found = access.key_of(connection, "k1234567")
    assert found is not None
    assert (found["organization_id"], found["scopes"], found["requests_per_s"]) == (ORGANIZATION, ["read", "use"], 50)
    assert (found["revoked_at"], found["expires_at"]) == (later, NOW + timedelta(days=90))
    assert len(found["secret_sha256"]) == 64
    assert access.key_of(connection, "k7654321") is None


def test_nobody_can_take_over_the_id_of_somebody_elses_key(connection: Connection) -> None:
    told(connection, create_api_key(), create_api_key(organization_id="evil", secret_sha256="0" * 64))
    found = access.key_of(connection, "k1234567")
    assert found is not None
    assert found["organization_id"] == ORGANIZATION
    assert [row["organization_id"] for row in access.api_keys_of(connection, "evil")] == ["evil"]
    assert "secret_sha256" not in access.api_keys_of(connection, "evil")[0]
