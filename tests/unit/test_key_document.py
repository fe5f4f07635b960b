"""The definition document of a key is accepted as it stands; what is wrong in it is named by its place."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from entitlements.domain.errors import InheritanceCycle
from entitlements.domain.periods import check_period
from entitlements.domain.values import KeyTerms
from entitlements.examples import key_terms
from entitlements.intake.definitions import DefinitionIsInvalid
from entitlements.intake.key_document import KeyDocument, parse_key, read_key

#: Word by word as it is promised.
DOCUMENT = """
{"entitlement_id": "premium_analytics", "name": "Premium Analytics Access", "type": "feature", "data_type": "boolean", "default_value": false,
 "inheritance_rules": {"inherits_from": ["basic_analytics"], "override_policy": "always_allow"},
 "usage_tracking": {"enabled": true, "reset_period": "monthly", "soft_limit": 1000, "hard_limit": 1200},
 "constraints": {"geographic_restrictions": ["EU", "US"], "time_restrictions": {"start_date": "2024-01-01T00:00:00Z", "end_date": "2024-12-31T23:59:59Z"}}}
"""


def document(**more: Any) -> dict[str, Any]:
    return json.loads(DOCUMENT) | more  # type: ignore[no-any-return]


def with_fact(place: str, fact: Any) -> dict[str, Any]:
    """The document with another fact at a place, such as constraints.geographic_restrictions."""
    changed = deepcopy(document())
    *outer, last = place.split(".")
    inner = changed
    for name in outer:
        inner = inner[name]
    inner[last] = fact
    return changed


@pytest.mark.parametrize("written", [DOCUMENT, yaml.safe_dump(json.loads(DOCUMENT))], ids=["json", "yaml"])
def test_the_document_is_accepted_as_it_stands(written: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(written)
    command = read_key(tmp_path / "key").command("ann")
    assert (command.resource_key, command.name) == ("premium_analytics", "Premium Analytics Access")
    assert (command.data_type, command.unit, command.scale, command.actor) == ("boolean", "", 0, "ann")
    assert command.terms == key_terms()


def test_yaml_may_write_instants_without_quotes(tmp_path: Path) -> None:
    text = "entitlement_id: k\ntype: feature\ndata_type: boolean\nconstraints: {time_restrictions: {end_date: 2024-12-31T23:59:59+01:00}}\n"
    (tmp_path / "key").write_text(text)
    constraints = read_key(tmp_path / "key").terms().constraints
    assert constraints is not None
    assert constraints.end_date == datetime(2024, 12, 31, 22, 59, 59, tzinfo=UTC)


def test_what_is_left_out_has_a_default() -> None:
    found = parse_key({"entitlement_id": "k", "type": "limit", "data_type": "integer"}, "file")
    assert found.command("me").name == "k"
    assert found.terms() == KeyTerms(entitlement_type="limit")
    assert found.terms().override_policy == "parent_wins"


PERIODS = {"hourly": "hour", "daily": "day", "weekly": "week", "monthly": "month", "yearly": "year", "lifetime": "lifetime", "P14D": "P14D", "PT6H": "PT6H", "month": "month"}  # fmt: skip


@pytest.mark.parametrize(("written", "period"), PERIODS.items())
def test_reset_periods_are_ours_by_other_words(written: str, period: str) -> None:
    tracking = parse_key(with_fact("usage_tracking.reset_period", written), "file").terms().usage_tracking
    assert tracking is not None
    assert tracking.reset_period == period
    check_period(period)


@pytest.mark.parametrize(
    ("kind", "data_type", "default"),
    [("quota", "integer", 5), ("credit", "integer", None), ("feature", "boolean", True)],
)
def test_the_default_has_the_type_of_the_key(kind: str, data_type: str, default: Any) -> None:
    facts = {"type": kind, "data_type": data_type, "default_value": default, "usage_tracking": None}
    assert parse_key(document(**facts), "file").terms().default_value == (None if default is None else int(default))


@pytest.mark.parametrize(
    ("place", "fact", "said"),
    [
        ("colour", "blue", "colour: is not a known field"),
        ("usage_tracking.colour", "blue", r"usage_tracking\.colour: is not a known field"),
        ("constraints.time_restrictions.until", 1, r"constraints\.time_restrictions\.until: is not a known field"),
        ("entitlement_id", "", "entitlement_id: "),
        ("entitlement_id", "x" * 129, "entitlement_id: "),
        ("type", "gadget", "type: .*'feature', 'limit', 'quota' or 'credit'"),
        ("type", "quota", "data_type: data_type must be boolean for a feature"),
        ("data_type", "integer", "data_type: data_type must be boolean for a feature"),
        ("data_type", "text", "data_type: "),
        ("default_value", 1, "default_value: the default of a feature must be true or false"),
        ("default_value", "false", "default_value: "),
        ("inheritance_rules.inherits_from", "basic", r"inheritance_rules\.inherits_from: "),
        ("inheritance_rules.inherits_from", [""], r"inheritance_rules\.inherits_from\.0: "),
        ("inheritance_rules.inherits_from", ["a", "a"], "keys, each once"),
        ("inheritance_rules.override_policy", "sometimes", r"inheritance_rules\.override_policy: "),
        ("usage_tracking.enabled", "yes", r"usage_tracking\.enabled: "),
        ("usage_tracking.reset_period", "fortnightly", r"usage_tracking\.reset_period: must be hourly"),
        ("usage_tracking.reset_period", 7, r"usage_tracking\.reset_period: "),
        ("usage_tracking.soft_limit", 1.5, r"usage_tracking\.soft_limit: "),
        ("usage_tracking.soft_limit", -1, r"usage_tracking\.soft_limit: "),
        ("usage_tracking.hard_limit", 999, "usage_tracking: soft_limit must not be above hard_limit"),
        (
            "constraints.geographic_restrictions",
            ["Europe"],
            r"constraints\.geographic_restrictions\.0: must be a country",
        ),
        (
            "constraints.geographic_restrictions",
            ["EU", 7],
            r"constraints\.geographic_restrictions\.1: must be a country",
        ),
        (
            "constraints.time_restrictions.start_date",
            "2024-01-01T00:00:00",
            r"time_restrictions\.start_date: must be an RFC 3339 instant with a time zone",
        ),
        ("constraints.time_restrictions.start_date", 5, r"time_restrictions\.start_date: must be a string such as"),
        ("constraints.time_restrictions.start_date", "2025-01-01T00:00:00Z", "end_date must not be before start_date"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(place: str, fact: Any, said: str) -> None:
    with pytest.raises(DefinitionIsInvalid, match=f"file: .*{said}"):
        parse_key(with_fact(place, fact), "file")


@pytest.mark.parametrize("missing", ["entitlement_id", "type", "data_type"])
def test_a_document_says_at_least_what_it_defines(missing: str) -> None:
    content = {name: fact for name, fact in document().items() if name != missing}
    with pytest.raises(DefinitionIsInvalid, match=f"file: {missing}: is required"):
        parse_key(content, "file")


def test_a_default_of_a_number_is_no_boolean_and_fits_its_limit() -> None:
    number = document(type="quota", data_type="integer")
    with pytest.raises(DefinitionIsInvalid, match="default_value: the default must be an integer"):
        parse_key(number | {"default_value": True}, "file")
    with pytest.raises(DefinitionIsInvalid, match="hard limit must not be below"):
        parse_key(number | {"default_value": 1201}, "file")
    assert isinstance(parse_key(number | {"default_value": 1200}, "file"), KeyDocument)


def test_a_key_that_inherits_from_itself_is_a_cycle() -> None:
    with pytest.raises(InheritanceCycle):
        parse_key(with_fact("inheritance_rules.inherits_from", ["premium_analytics"]), "file")
