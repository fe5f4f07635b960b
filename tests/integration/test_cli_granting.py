"""What definitions add to the answers of `entitlements check`, on read models of real decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeAlias

import pytest

from entitlements.cli.checking import policies_about
from entitlements.cli.granting import judged
from entitlements.domain import commands as asks
from entitlements.domain.governance_commands import RetireAccessPolicy
from entitlements.domain.plan_commands import SetOverride
from entitlements.domain.values import Constraints, Rule
from entitlements.examples import define_resource_key, feature, key_terms, quota
from entitlements.intake.policies import parse_policies, policy_command
from entitlements_projections import reading
from entitlements_projections.database import Connection, connect
from entitlements_projections.migrations import migrate
from entitlements_projections.testing import AT_MS, SyntheticLedger, all_frames, write

BASIC, PREMIUM, CALLS = "basic_analytics", "premium_analytics", "api_calls"
US_ONLY = Constraints(geographic_restrictions=["US"])

Check: TypeAlias = Callable[..., dict[str, Any]]


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    migrate(database)
    with closing(connect(database)) as connection:
        yield connection


@pytest.fixture
def check(connection: Connection) -> Check:
    """Let commands be decided, then ask for the workspace ws."""

    def ask(*commands: asks.Command, key: str, country: str = "", quantity: int = 1) -> dict[str, Any]:
        ledger = SyntheticLedger()
        for command in commands:
            ledger.ask(AT_MS, command)
        write(connection, all_frames(ledger))
        pools = reading.pools_of_workspace(connection, "acme", "ws")
        return judged(SimpleNamespace(database=connection), _plain(connection, key, quantity), pools, "ws", country)  # type: ignore[arg-type]

    return ask


def _plain(connection: Connection, key: str, quantity: int) -> dict[str, Any]:
    """The answer by what pools have, without definitions."""
    rows = reading.entitlements_of_workspace(connection, "acme", "ws", datetime.now(UTC))
    row = next((row for row in rows if row["resource_key"] == key), None)
    if row is None:
        return {
            "resource_key": key,
            "allowed": False,
            "reason_code": "not_entitled",
            "pool_id": "",
            "entitlement_type": None,
        }
    allowed = row["hard_limit"] is None or quantity <= row["hard_limit"]
    code = "allowed" if allowed else "quota_exceeded"
    taken = ("resource_key", "pool_id", "entitlement_type", "remaining")
    return {"allowed": allowed, "reason_code": code} | {name: row[name] for name in taken}


def key(name: str, *parents: str, **more: Any) -> asks.Command:
    facts: dict[str, Any] = {"constraints": None, "default_value": None} | more
    return define_resource_key(name, data_type="boolean", terms=key_terms(inherits_from=list(parents), **facts))


def pool(pool_id: str, *rules: Rule, role: Any = "primary") -> list[asks.Command]:
    conferred = asks.ProvisionPool(
        command_id="p",
        pool_id=pool_id,
        provision_id="p",
        source="subscription",
        set_id="s",
        set_version=1,
        rules=list(rules),
    )
    return [
        asks.OpenPool(command_id="o", pool_id=pool_id, organization_id="acme"),
        *([conferred] if rules else []),
        asks.AssignWorkspace(command_id="a", pool_id=pool_id, workspace_id="ws", role=role),
    ]


def test_a_feature_is_granted_by_the_pool_that_holds_its_child(check: Check) -> None:
    pools = [*pool("first"), *pool("second", feature(PREMIUM), role="secondary")]
    answer = check(*pools, key(BASIC), key(PREMIUM, BASIC), key=BASIC)
    assert (answer["allowed"], answer["reason_code"], answer["pool_id"]) == (True, "inherited", "second")
    assert (answer["inherited_from"], answer["entitlement_type"]) == ([PREMIUM], "boolean")


def test_what_one_pool_holds_grants_nothing_against_what_another_says(check: Check) -> None:
    denial = Rule(resource_key=BASIC, rule_type="boolean", stacking="override", denied=True)
    definitions = [key(BASIC), key(PREMIUM, BASIC, override_policy="parent_wins")]
    answer = check(*definitions, *pool("first", feature(PREMIUM), denial), key=BASIC)
    assert (answer["allowed"], answer["reason_code"]) == (False, "denied")
    assert answer["sentence"] == "A rule denies basic_analytics."


def test_a_pool_that_is_not_open_grants_nothing(check: Check) -> None:
    suspended = [*pool("only", feature(PREMIUM)), asks.SuspendPool(command_id="s", pool_id="only")]
    answer = check(key(BASIC), key(PREMIUM, BASIC), *suspended, key=BASIC)
    assert (answer["allowed"], answer["reason_code"]) == (False, "not_entitled")


def test_an_override_of_the_workspace_takes_away_what_its_pool_has(check: Check) -> None:
    off = SetOverride(
        command_id="o", pool_id="only", override_id="o", resource_key=BASIC, workspace_id="ws", allowed=False, reason="abuse",
        actor="ann",
    )  # fmt: skip
    definitions = [key(BASIC), key(PREMIUM, BASIC, override_policy="child_wins")]
    answer = check(*definitions, *pool("only", feature(PREMIUM), feature(BASIC)), off, key=BASIC)
    assert (answer["allowed"], answer["reason_code"]) == (False, "overridden")


@pytest.mark.parametrize(
    ("country", "expected"),
    [("US", (True, "allowed")), ("DE", (False, "country_not_allowed")), ("", (False, "country_unknown"))],
)
def test_a_number_may_be_used_only_where_its_definition_says(check: Check, country: str, expected: object) -> None:
    terms = key_terms(
        entitlement_type="quota", inherits_from=[], default_value=None, usage_tracking=None, constraints=US_ONLY
    )
    defined = define_resource_key(CALLS, terms=terms)
    answer = check(defined, *pool("only", quota(CALLS, 10)), key=CALLS, country=country)
    assert (answer["allowed"], answer["reason_code"]) == expected
    assert answer["remaining"] == 10, "what is left is told all the same"


def test_what_does_not_fit_is_not_said_otherwise(check: Check) -> None:
    terms = key_terms(
        entitlement_type="quota", inherits_from=[], default_value=None, usage_tracking=None, constraints=US_ONLY
    )
    defined = define_resource_key(CALLS, terms=terms)
    answer = check(defined, *pool("only", quota(CALLS, 10)), key=CALLS, quantity=11)
    assert (answer["allowed"], answer["reason_code"]) == (False, "quota_exceeded")


def test_time_runs_out(check: Check) -> None:
    yesterday = datetime.now(UTC) - timedelta(days=1)
    over = key(BASIC, constraints=Constraints(end_date=yesterday))
    answer = check(over, *pool("only", feature(BASIC)), key=BASIC)
    assert (answer["allowed"], answer["reason_code"]) == (False, "no_longer_valid")


def test_a_key_without_a_definition_document_is_answered_as_it_is(check: Check, connection: Connection) -> None:
    answer = check(define_resource_key(CALLS), *pool("only", quota(CALLS, 10)), key=CALLS)
    assert (answer["allowed"], answer["reason_code"], "inherited_from" in answer) == (True, "allowed", False)
    assert reading.resource_key(connection, CALLS) is not None


def test_policies_about_the_key_are_named_who_wins_first(connection: Connection) -> None:
    ledger = SyntheticLedger()
    for policy_id, keys, effect, priority in (
        ("all", [], "DENY", 0), ("calls", ["api_*"], "ALLOW", 5), ("other", ["seats"], "DENY", 9), ("gone", [CALLS], "DENY", 1),
    ):  # fmt: skip
        policy = {"policy_id": policy_id, "effect": effect, "priority": priority, "resource_keys": keys}
        ledger.ask(AT_MS, policy_command(parse_policies(policy, "policy")[0], "acme", {"command_id": policy_id}))
    ledger.ask(AT_MS, RetireAccessPolicy(command_id="r", organization_id="acme", policy_id="gone"))
    write(connection, all_frames(ledger))
    named = [(policy["policy_id"], policy["effect"]) for policy in policies_about(connection, "acme", CALLS)]
    assert named == [("calls", "ALLOW"), ("all", "DENY")]
    assert policies_about(connection, "other", CALLS) == []
