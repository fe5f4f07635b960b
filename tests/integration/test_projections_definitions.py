"""Definitions in the read models, on a real Postgres: families of sets, keys that inherit, what is said of keys."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from entitlements.domain import commands as asks
from entitlements.domain.aggregate import from_ms
from entitlements.domain.commands import IssueGrant, ProvisionPool
from entitlements.domain.errors import InvalidCommand, LadderMismatch, UnknownRung
from entitlements.domain.governance_commands import DefineCampaign
from entitlements.domain.inheritance import SetVersion, resolve, whole
from entitlements.domain.key_inheritance import KeyNode, Said, allowed
from entitlements.domain.plan_commands import ChangePlan, ClearOverride, SetOverride, StartTrial
from entitlements.domain.values import LadderRung, OwnRule, ParentSet, Rule
from entitlements.errors import UnknownLadder, UnknownSet
from entitlements.examples import (
    define_entitlement_set,
    define_ladder,
    define_resource_key,
    feature,
    key_terms,
    limit,
    quota,
)
from entitlements.intake.sets import is_new_ladder, looked_up
from entitlements_projections import reading
from entitlements_projections.database import Connection, connect
from entitlements_projections.migrations import migrate
from entitlements_projections.reading import definitions
from entitlements_projections.testing import AT_MS, SyntheticLedger, all_frames, write

NOW = from_ms(AT_MS)
BASIC, PREMIUM = "basic_analytics", "premium_analytics"


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    migrate(database)
    with closing(connect(database)) as connection:
        yield connection


def told(connection: Connection, *commands: asks.Command, ledger: SyntheticLedger | None = None) -> SyntheticLedger:
    """Let commands be decided, each in a frame of its own, and written."""
    ledger = ledger or SyntheticLedger()
    write(connection, *([frame] for command in commands for frame in ledger.ask(AT_MS, command)))
    return ledger


# --- Ladders ----------------------------------------------------------------------------------------------------------


#: Every command that confers a set.
CONFERRING = (ProvisionPool, ChangePlan, StartTrial, IssueGrant, DefineCampaign)
TIERS = [LadderRung(rung=1, name="Free"), LadderRung(rung=2, name="Pro")]


def test_a_ladder_is_there_with_the_set_that_names_it_and_is_completed_by_its_definition(
    connection: Connection,
) -> None:
    """One transaction: the foreign keys of sets and provisions never stop the projector, whichever partition is read first."""
    on_plans = define_entitlement_set("free", feature())
    plan = asks.ProvisionPool(
        command_id="p", pool_id="pool", provision_id="p", source="subscription", set_id="free", set_version=1,
        ladder="provisioned", rung=1, rules=[feature()],
    )  # fmt: skip
    open_pool = asks.OpenPool(command_id="o", pool_id="pool", organization_id="acme")
    ledger = SyntheticLedger()
    write(connection, [frame for command in (on_plans, open_pool, plan) for frame in ledger.ask(AT_MS, command)])
    named = definitions.plan_ladder(connection, "plans")
    assert named is not None
    assert (named["rungs"], named["is_defined"], named["name"]) == (None, False, None)
    assert definitions.plan_ladder(connection, "provisioned") is not None
    assert definitions.plan_ladder(connection, "plnas") is None
    told(connection, define_ladder(rungs=TIERS), define_entitlement_set("pro", feature(), rung=2), ledger=ledger)
    found = definitions.plan_ladder(connection, "plans")
    assert found is not None
    assert (found["is_defined"], found["rungs"]) == (True, [vars(tier) for tier in TIERS])
    assert [(each["set_id"], each["rung"]) for each in found["sets"]] == [("free", 1), ("pro", 2)]
    told(connection, define_entitlement_set("pro", feature(), ladder="teams", rung=2), ledger=ledger)
    moved = {row["ladder"]: [each["set_id"] for each in row["sets"]] for row in definitions.plan_ladders(connection)}
    assert moved == {"plans": ["free"], "provisioned": [], "teams": ["pro"]}


def test_what_is_looked_up_for_a_command_is_what_its_set_and_its_ladder_say(connection: Connection) -> None:
    told(
        connection,
        define_entitlement_set("free", feature()),
        define_entitlement_set("pro", feature(), rung=2),
        define_entitlement_set("pack", feature(), ladder=None, rung=None),
        define_entitlement_set("alone", feature(), ladder="by-sets", rung=7),
        define_ladder(rungs=TIERS),
    )
    facts: dict[str, Any] = {"pool_id": "p", "provision_id": "s", "source": "subscription"}
    change = looked_up(connection, ChangePlan, facts | {"set_id": "pro"})
    assert (change["ladder"], change["rung"], change["set_version"]) == ("plans", 2, 1)
    assert set(change["looked_up"]) == {"ladder", "rung", "rules", "set_version"}
    trial = looked_up(connection, StartTrial, facts | {"set_id": "pro", "then_set_id": "free"})
    assert (trial["ladder"], trial["rung"], trial["then_rung"]) == ("plans", 2, 1)
    own = facts | {"set_version": 1, "rules": [feature()]}
    assert looked_up(connection, ProvisionPool, own | {"set_id": "pro"})["ladder"] == "plans", "the set decides"
    assert looked_up(connection, ProvisionPool, own | {"set_id": "custom", "ladder": "plans", "rung": 1})["rung"] == 1
    by_sets = own | {"set_id": "custom", "ladder": "by-sets", "rung": 7}
    assert looked_up(connection, ProvisionPool, by_sets)["rung"] == 7
    assert looked_up(connection, ProvisionPool, own | {"set_id": "custom"}) == own | {"set_id": "custom"}
    assert looked_up(connection, asks.DefineEntitlementSet, {"ladder": "plans"})["ladder_rungs"] == [1, 2]
    assert looked_up(connection, asks.DefineEntitlementSet, {"ladder": "new"})["ladder_rungs"] is None
    assert (is_new_ladder(connection, "plans"), is_new_ladder(connection, "new"), is_new_ladder(connection, None)) == (
        False, True, False,
    )  # fmt: skip
    for kind, wrong, refusal in (
        (ProvisionPool, facts | {"set_id": "pro", "ladder": "plnas"}, LadderMismatch),
        (ProvisionPool, facts | {"set_id": "pack", "ladder": "plans"}, LadderMismatch),
        (ProvisionPool, own | {"set_id": "pro", "rung": 1}, LadderMismatch),
        (ProvisionPool, own | {"set_id": "custom", "ladder": "plnas", "rung": 1}, UnknownLadder),
        (ProvisionPool, own | {"set_id": "custom", "ladder": "plans", "rung": 3}, UnknownRung),
        (ProvisionPool, own | {"set_id": "custom", "ladder": "plans"}, UnknownRung),
        (ProvisionPool, own | {"set_id": "custom", "rung": 1}, InvalidCommand),
        (ProvisionPool, own | {"set_id": "custom", "ladder": "by-sets", "rung": 8}, UnknownRung),
        (ProvisionPool, own | {"set_id": "custom", "ladder": "by-sets"}, UnknownRung),
        *((kind, own | {"set_id": "pro", "then_set_id": "pro", "set_version": 2}, UnknownSet) for kind in CONFERRING),
        (
            StartTrial,
            own | {"set_id": "pro", "then_set_id": "pro", "then_set_version": 2, "then_rules": [feature()]},
            UnknownSet,
        ),
        (ProvisionPool, facts | {"set_id": "custom"}, UnknownSet),
        (ChangePlan, facts | {"set_id": "pack"}, LadderMismatch),
        (StartTrial, facts | {"set_id": "pro", "then_set_id": "pack"}, LadderMismatch),
    ):
        with pytest.raises(refusal):
            looked_up(connection, kind, wrong)


# --- Sets -------------------------------------------------------------------------------------------------------------


def extending(
    set_id: str, parents: list[tuple[str, int]], rules: list[Rule], *own: OwnRule, **more: Any
) -> asks.Command:
    extends = [ParentSet(set_id=parent, version=version) for parent, version in parents]
    return define_entitlement_set(set_id, rules=rules, extends=extends, own_rules=list(own), **more)


def test_a_version_of_a_set_is_shown_with_its_parents_and_can_be_resolved_again(connection: Connection) -> None:
    base = [quota(amount=100, soft_limit=80), limit()]
    own = OwnRule(rule=quota(amount=500, soft_limit=80), stated=["amount"])
    told(
        connection,
        extending("pro", [("base", 1), ("addon", 1)], [own.rule, limit(), feature()], own),
        define_entitlement_set("base", rules=base),
        define_entitlement_set("addon", rules=[feature()]),
        define_entitlement_set("addon", rules=[feature(), limit("rooms")]),
    )
    found = reading.entitlement_set(connection, "pro")
    assert found is not None
    assert found["extends"] == [{"set_id": "base", "version": 1}, {"set_id": "addon", "version": 1}]
    assert (found["inheritance"], found["own_rules"][0]["stated"]) == ("merge", ["amount"])
    family = definitions.set_family(connection, [("pro", None)])
    assert set(family) == {("pro", 1), ("base", 1), ("addon", 1)}
    assert family["base", 1] == SetVersion(set_id="base", version=1, extends=[], own_rules=whole(base))
    resolved = resolve(family["pro", 1], family)
    assert resolved.rules == [definitions.rule_of(row) for row in found["rules"]]
    assert resolved.sources == {"api_calls": ("base", "pro"), "seats": ("base",), "premium_analytics": ("addon",)}


def test_a_family_is_of_the_versions_asked_for_and_the_newest_where_none_is(connection: Connection) -> None:
    told(
        connection,
        *(define_entitlement_set("base", rules=[quota(amount=amount)]) for amount in (1, 2, 3)),
        extending("pro", [("base", 1)], [quota(amount=1)]),
    )
    assert set(definitions.set_family(connection, [("base", None)])) == {("base", 3)}
    assert set(definitions.set_family(connection, [("base", 2), ("pro", None)])) == {
        ("base", 2),
        ("base", 1),
        ("pro", 1),
    }
    assert definitions.set_family(connection, [("none", None), ("base", 9)]) == {}
    assert definitions.set_family(connection, []) == {}


def test_a_set_knows_who_extends_it_in_the_newest_version(connection: Connection) -> None:
    told(
        connection,
        extending("one", [("base", 1)], [quota()]),
        extending("one", [("base", 2), ("addon", 1)], [quota()]),
        extending("two", [("base", 1)], [quota()]),
        extending("gone", [("base", 1)], [quota()]),
        define_entitlement_set("gone", rules=[quota()]),
    )
    found = [tuple(row.values()) for row in definitions.extended_by(connection, "base")]
    assert found == [("one", 2, 2), ("two", 1, 1)]
    assert [tuple(row.values()) for row in definitions.extended_by(connection, "addon")] == [("one", 2, 1)]


def test_a_parent_that_is_not_to_be_seen_yet_is_missing(connection: Connection) -> None:
    told(connection, extending("pro", [("base", 1)], [quota(amount=1)]))
    assert set(definitions.set_family(connection, [("pro", 1)])) == {("pro", 1)}


# --- Keys -------------------------------------------------------------------------------------------------------------


def key(name: str, *parents: str, **more: Any) -> asks.DefineResourceKey:
    terms = key_terms(inherits_from=list(parents), constraints=None, **more)
    return define_resource_key(name, name=name, data_type="boolean", unit="", terms=terms)


def test_all_that_a_document_says_is_kept(connection: Connection) -> None:
    told(connection, define_resource_key(PREMIUM, data_type="boolean", terms=key_terms()))
    row = reading.resource_key(connection, PREMIUM)
    assert row is not None
    assert (row["entitlement_type"], row["default_value"], row["override_policy"]) == ("boolean", 0, "always_allow")
    assert row["inherits_from"] == [BASIC]
    assert row["usage_tracking"] == {"enabled": True, "reset_period": "month", "soft_limit": 1000, "hard_limit": 1200}
    assert row["constraints"] == {
        "geographic_restrictions": ["EU", "US"],
        "start_date": "2024-01-01T00:00:00+00:00",
        "end_date": "2024-12-31T23:59:59+00:00",
    }
    assert reading.resource_key(connection, BASIC) is None, "it is only mentioned"
    graph = definitions.keys_that_descend(connection, BASIC)
    assert graph == {
        BASIC: KeyNode(data_type=None),
        PREMIUM: KeyNode(inherits_from=[BASIC], override_policy="always_allow", constraints=key_terms().constraints),
    }


def test_a_key_without_a_document_has_nothing_of_it(connection: Connection) -> None:
    told(connection, define_resource_key("api_calls"))
    row = reading.resource_key(connection, "api_calls")
    assert row is not None
    columns = ("entitlement_type", "default_value", "override_policy", "usage_tracking", "constraints")
    assert ([row[column] for column in columns], row["inherits_from"]) == ([None] * 5, [])
    assert definitions.keys_that_descend(connection, "api_calls") == {"api_calls": KeyNode(data_type="integer")}
    assert definitions.keys_that_descend(connection, "never") == {}


def test_of_many_definitions_the_newest_says_what_a_key_inherits_from(connection: Connection) -> None:
    ledger = told(connection, key("a", "b", "c"), key("a", "c", "d"))
    assert definitions.keys_ancestral(connection, ["a"])["a"].inherits_from == ["c", "d"]
    rows = connection.execute("select parent_key, position, version from resource_key_parents order by 2").fetchall()
    assert rows == [("c", 0, 2), ("d", 1, 2)]
    told(connection, key("a", "d", "c"), key("a", "d"), ledger=ledger)
    assert definitions.keys_ancestral(connection, ["a"])["a"].inherits_from == ["d"]
    told(connection, replace(key("a"), terms=None, name="Again"), ledger=ledger)
    assert definitions.keys_ancestral(connection, ["a"])["a"].inherits_from == ["d"]


def test_definitions_in_one_batch_leave_the_same_rows_as_one_after_the_other(database: str) -> None:
    ledger = SyntheticLedger()
    for command in (key("a", "b", "c"), key("b", "c"), key("a", "c", "d"), key("b")):
        ledger.ask(AT_MS, command)
    rows = []
    for schema, batches in (("single", [[frame] for frame in all_frames(ledger)]), ("batch", [all_frames(ledger)])):
        migrate(database, schema)
        with closing(connect(database, schema)) as connection:
            write(connection, *batches)
            rows.append(connection.execute("select * from resource_key_parents order by 1, 2").fetchall())
    assert rows[0] == rows[1] == [("a", 0, "c", 2), ("a", 1, "d", 2)]


def test_a_cycle_of_keys_ends_a_walk_all_the_same(connection: Connection) -> None:
    told(connection, key("a", "b"), key("b", "c"), key("c", "a"), key("d", "a"))
    assert set(definitions.keys_that_descend(connection, "a")) == {"a", "b", "c", "d"}
    assert set(definitions.keys_ancestral(connection, ["d"])) == {"a", "b", "c", "d"}


def test_the_default_of_a_key_is_a_rule_for_pools(connection: Connection) -> None:
    told(connection, key(PREMIUM, default_value=1), key(BASIC), define_resource_key("api_calls"))
    rule = quota(PREMIUM, 1200, soft_limit=1000, period="month")
    assert definitions.default_of_key(connection, PREMIUM) == rule
    assert [definitions.default_of_key(connection, name) for name in (BASIC, "api_calls", "never")] == [None] * 3


# --- What is said of keys, and who is granted what ----------------------------------------------------------------------


def opened(pool_id: str, *rules: Rule) -> list[asks.Command]:
    return [
        asks.OpenPool(command_id="o", pool_id=pool_id, organization_id="acme"),
        asks.ProvisionPool(
            command_id="p", pool_id=pool_id, provision_id="p", source="subscription", set_id="s", set_version=1,
            rules=list(rules),
        ),
        asks.AssignWorkspace(command_id="a", pool_id=pool_id, workspace_id="ws", role="primary"),
    ]  # fmt: skip


def override(name: str, resource_key: str, **more: Any) -> SetOverride:
    facts = {"command_id": name, "actor": "ann", "reason": "so", "pool_id": "pool", "allowed": False}
    return SetOverride(override_id=name, resource_key=resource_key, **(facts | more))  # type: ignore[arg-type]


def said(connection: Connection, resource_key: str, workspace_id: str = "", later: int = 0) -> Said:
    found = definitions.said_of_keys(connection, ["pool"], workspace_id, [resource_key], NOW + timedelta(hours=later))
    return found["pool"][resource_key]


DENIAL = Rule(resource_key=BASIC, rule_type="boolean", stacking="override", denied=True)


def test_rules_denials_and_overrides_are_told_apart(connection: Connection) -> None:
    ledger = told(connection, *opened("pool", DENIAL, feature(PREMIUM), limit("seats")))
    assert said(connection, PREMIUM) == said(connection, "seats") == Said(held=True)
    assert said(connection, BASIC) == Said(denied=True)
    assert said(connection, "never") == Said()
    hour = NOW + timedelta(hours=1)
    told(
        connection,
        override("o1", PREMIUM, expires_at=hour),
        override("o2", BASIC, allowed=True),
        override("o3", "seats", workspace_id="ws"),
        override("o4", "seats", workspace_id="ws", allowed=True),
        ledger=ledger,
    )
    assert said(connection, PREMIUM).decision is False
    assert said(connection, PREMIUM, later=2).overridden is None
    assert said(connection, BASIC).decision is True
    assert said(connection, "seats").decision is True, "somebody else's override"
    assert said(connection, "seats", "ws").decision is False
    told(connection, ClearOverride(command_id="c", pool_id="pool", override_id="o2", actor="ann"), ledger=ledger)
    assert said(connection, BASIC) == Said(denied=True)


def test_a_lost_feature_was_not_denied(connection: Connection) -> None:
    told(
        connection,
        *opened("pool", feature(BASIC)),
        asks.EndProvision(command_id="e", pool_id="pool", provision_id="p", when="now"),
    )
    assert said(connection, BASIC) == Said()


@pytest.mark.parametrize(("policy", "expected"), [("child_wins", True), ("parent_wins", False)])
def test_from_documents_and_rules_to_an_answer(connection: Connection, policy: str, expected: object) -> None:
    told(connection, key(PREMIUM, BASIC, override_policy=policy), key(BASIC), *opened("pool", DENIAL, feature(PREMIUM)))
    graph = definitions.keys_that_descend(connection, BASIC)
    of_pool = definitions.said_of_keys(connection, ["pool"], "ws", graph, NOW)["pool"]
    assert allowed(BASIC, of_pool, graph, country=None, at=NOW).allowed is expected


def test_pools_are_told_in_the_order_asked_for(connection: Connection) -> None:
    told(connection, *opened("pool", feature(BASIC)), *opened("first", feature(PREMIUM)))
    found = definitions.said_of_keys(connection, ["pool", "first", "unknown"], "", [BASIC], NOW)
    assert list(found.items()) == [
        ("pool", {BASIC: Said(held=True)}),
        ("first", {BASIC: Said()}),
        ("unknown", {BASIC: Said()}),
    ]
