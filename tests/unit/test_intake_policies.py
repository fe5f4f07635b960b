"""Policies on their way in: a file of one or several, checked whole before anything is sent."""

import json
from pathlib import Path
from typing import Any

import pytest

from entitlements.domain.admitting import DOCUMENT_CHARACTERS_MAX, define_access_policy
from entitlements.examples import NOON
from entitlements.examples_of_governance import define_access_policy as example
from entitlements.intake.definitions import DefinitionIsInvalid
from entitlements.intake.policies import (
    InvalidPolicyDocument,
    canonical,
    parse_policies,
    policy_command,
    read_policies,
    require_meant,
)

ONE = {"policy_id": "p", "effect": "DENY"}


def command_of(document: dict[str, Any]) -> Any:
    return policy_command(document, "acme", {"command_id": "c", "actor": "jane"})


def test_a_file_holds_one_policy_a_list_or_policies_by_name(tmp_path: Path) -> None:
    for content in (ONE, [ONE], {"policies": [ONE]}):
        path = tmp_path / "policies.json"
        path.write_text(json.dumps(content))
        assert read_policies(path) == [ONE]


def test_yaml_reads_effects_and_instants_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("policy_id: p\neffect: deny\ntemporal: {starts_at: 2026-01-01T00:00:00Z, from: '09:00'}\n")
    (found,) = read_policies(path)
    assert found["effect"] == "DENY"
    assert found["temporal"] == {"starts_at": "2026-01-01T00:00:00+00:00", "from": "09:00"}


@pytest.mark.parametrize(
    ("content", "mistake", "path"),
    [
        ({"policies": [ONE, ONE]}, "duplicate_policy", "policies[1].policy_id"),
        (
            {"policy_id": "p", "effect": "DENY", "conditions": [{"field": "x"}]},
            "unknown_field",
            "policy.conditions[0].field",
        ),
        ([7], "invalid_value", "policies[0]"),
        (7, "invalid_value", "policies"),
        ({"policy_id": "p", "policies": []}, "unknown_property", "document.policy_id"),
        (ONE | {"reason": "\ud800"}, "invalid_value", "policy"),
        ([ONE | {"reason": "\ud800"}], "invalid_value", "policy"),
    ],
)
def test_a_mistake_is_named_with_its_place(content: Any, mistake: str, path: str) -> None:
    with pytest.raises(InvalidPolicyDocument) as refused:
        parse_policies(content, "a file")
    assert refused.value.facts == {"mistake": mistake, "path": path}


def test_what_is_no_file_of_policies_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(DefinitionIsInvalid, match="No such file"):
        read_policies(tmp_path / "nothing.yaml")


def test_the_same_policy_is_the_same_command_in_whatever_order_it_is_written() -> None:
    first = command_of({"policy_id": "p", "effect": "DENY", "conditions": [], "name": "Ü"})
    assert first == command_of({"name": "Ü", "conditions": [], "effect": "DENY", "policy_id": "p"})
    assert first.document == '{"conditions":[],"effect":"DENY","name":"Ü","policy_id":"p"}'


def test_the_domain_takes_what_intake_makes() -> None:
    largest = ONE | {"priority": -1_000_000, "name": "n" * 128, "reason": "…" * 1024}
    for document in (ONE, largest, ONE | {"conditions": [{"field": "metadata.x", "operator": "equals", "value": 1.5}]}):
        assert define_access_policy(None, command_of(document), NOON).policies["p"].policy_version == 1
    assert len(canonical(largest)) < DOCUMENT_CHARACTERS_MAX


def test_a_command_from_outside_is_asked_whether_it_can_be_meant() -> None:
    require_meant(example())
    for document in ("{", '{"policy_id":"p","effect":"DENY","conditions":[{"field":"a"}]}'):
        with pytest.raises(InvalidPolicyDocument):
            require_meant(example(document=document))
