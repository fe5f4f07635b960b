"""What the definition of a key may say, and what it means: defaults of pools, places, times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given as generated
from hypothesis import settings
from hypothesis import strategies as st
from specification import days, given, happens

from entitlements.domain.commands import Command
from entitlements.domain.errors import CommandRefused, InheritanceCycle, InvalidCommand, InvalidPeriod, InvalidRules
from entitlements.domain.key_terms import check_terms, constraint_against, default_rule, is_in
from entitlements.domain.rules import check_rules
from entitlements.domain.values import Constraints, DataType, EntitlementType, KeyTerms, Rule, UsageTracking
from entitlements.examples import NOON, define_resource_key, feature, key_terms, limit, open_pool, quota

SECOND = timedelta(seconds=1)


def defined(terms: KeyTerms | None, **more: Any) -> Command:
    return define_resource_key("premium_analytics", data_type="boolean", unit="", terms=terms, **more)


# --- Definitions ------------------------------------------------------------------------------------------------------


def test_a_key_is_defined_with_all_that_its_document_says() -> None:
    given().when(defined(key_terms())).then(happens("ResourceKeyDefined", terms=key_terms(), originator_version=1))


def test_the_same_terms_again_are_harmless_and_other_terms_are_told() -> None:
    given(defined(key_terms())).when(defined(key_terms())).then_nothing()
    other = key_terms(inherits_from=[])
    given(defined(key_terms())).when(defined(other)).then(happens("ResourceKeyDefined", terms=other))


def test_a_description_without_terms_leaves_those_that_were_said() -> None:
    given(defined(key_terms())).when(defined(None)).then_nothing()
    (
        given(defined(key_terms()))
        .when(days(1), defined(None, name="Better analytics"))
        .then(happens("ResourceKeyDefined", name="Better analytics", terms=key_terms()))
    )
    given(defined(None)).when(defined(key_terms())).then(happens("ResourceKeyDefined", terms=key_terms()))


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"entitlement_type": "quota"}, InvalidCommand),
        ({"default_value": 2}, InvalidCommand),
        ({"default_value": -1}, InvalidCommand),
        ({"inherits_from": ["premium_analytics"]}, InheritanceCycle),
        ({"inherits_from": ["a", "a"]}, InvalidCommand),
        ({"inherits_from": [""]}, InvalidCommand),
        ({"inherits_from": [f"k{n}" for n in range(101)]}, InvalidCommand),
        ({"usage_tracking": UsageTracking(enabled=True, reset_period="fortnight")}, InvalidPeriod),
        ({"usage_tracking": UsageTracking(enabled=True, soft_limit=2, hard_limit=1)}, InvalidCommand),
        ({"usage_tracking": UsageTracking(enabled=True, soft_limit=-1)}, InvalidCommand),
        ({"usage_tracking": UsageTracking(enabled=True, hard_limit=2**53 + 1)}, InvalidCommand),
        ({"constraints": Constraints(geographic_restrictions=["Europe"])}, InvalidCommand),
        ({"constraints": Constraints(geographic_restrictions=["DE"] * 401)}, InvalidCommand),
        ({"constraints": Constraints(start_date=NOON, end_date=NOON - SECOND)}, InvalidCommand),
    ],
)
def test_terms_that_is_invalid_are_refused(wrong: dict[str, Any], reason: type[CommandRefused]) -> None:
    given().when(defined(key_terms(**wrong))).refused(reason)


def test_a_default_above_its_hard_limit_is_refused() -> None:
    tracking = UsageTracking(enabled=True, reset_period="day", hard_limit=9)
    terms = KeyTerms(entitlement_type="quota", default_value=10, usage_tracking=tracking)
    given().when(define_resource_key(terms=terms)).refused(InvalidRules)


# --- Defaults ---------------------------------------------------------------------------------------------------------

MONTHLY = UsageTracking(enabled=True, reset_period="month", soft_limit=1000, hard_limit=1200)


@pytest.mark.parametrize(
    ("kind", "default", "tracking", "rule"),
    [
        ("boolean", None, MONTHLY, None),
        ("boolean", 0, MONTHLY, None),
        ("boolean", 1, None, feature("k")),
        ("boolean", 1, UsageTracking(enabled=False, reset_period="month", hard_limit=3), feature("k")),
        ("boolean", 1, MONTHLY, quota("k", 1200, soft_limit=1000, period="month")),
        ("boolean", 1, UsageTracking(enabled=True), quota("k", None, period="lifetime")),
        ("quota", None, MONTHLY, None),
        ("quota", 0, MONTHLY, quota("k", 0, soft_limit=1000, hard_limit=1200, period="month")),
        ("quota", 1100, MONTHLY, quota("k", 1100, soft_limit=1000, hard_limit=1200, period="month")),
        ("quota", 5, None, quota("k", 5, period="lifetime")),
        ("limit", 5, UsageTracking(enabled=True, reset_period="month", soft_limit=4), limit("k", 5, soft_limit=4)),
        (
            "credit",
            5,
            MONTHLY,
            Rule(resource_key="k", rule_type="credit", amount=5, soft_limit=1000, period="month", stacking="sum"),
        ),
    ],
)
def test_default_and_tracking_say_what_pools_have_when_nothing_confers_a_key(
    kind: EntitlementType, default: int | None, tracking: UsageTracking | None, rule: Rule | None
) -> None:
    assert default_rule("k", KeyTerms(entitlement_type=kind, default_value=default, usage_tracking=tracking)) == rule


LIMITS = st.none() | st.integers(0, 20)
TRACKING = st.none() | st.builds(
    UsageTracking,
    enabled=st.booleans(),
    reset_period=st.sampled_from((None, "month", "P14D", "lifetime")),
    soft_limit=LIMITS,
    hard_limit=LIMITS,
)


@settings(max_examples=300, deadline=None)
@generated(kind=st.sampled_from(("boolean", "limit", "quota", "credit")), default=LIMITS, tracking=TRACKING)
def test_whatever_is_accepted_makes_a_default_that_a_pool_can_be_opened_with(
    kind: EntitlementType, default: int | None, tracking: UsageTracking | None
) -> None:
    data_type: DataType = "boolean" if kind == "boolean" else "integer"
    terms = KeyTerms(entitlement_type=kind, default_value=default, usage_tracking=tracking)
    try:
        check_terms("k", data_type, terms)
    except CommandRefused:
        return
    rule = default_rule("k", terms)
    if rule is not None:
        check_rules([rule])
        story = given().when(open_pool(defaults=[rule]))
        assert story.pool.entitlements["k"].value is not None


# --- Places and times -------------------------------------------------------------------------------------------------


INSIDE = [("DE", "EU"), ("NO", "EEA"), ("IE", "EEA"), ("US", "US"), ("US-CA", "US"), ("DE-BE", "EU"), ("EU", "EU")]
OUTSIDE = [("GB", "EU"), ("NO", "EU"), ("US", "US-CA"), ("US-NY", "US-CA"), ("DE", "US"), ("US", "EEA")]


def test_a_country_lies_in_its_regions_and_a_part_of_it_in_the_country() -> None:
    assert [pair for pair in INSIDE + OUTSIDE if is_in(*pair)] == INSIDE


def test_places_are_those_where_it_may_be_used() -> None:
    only = Constraints(geographic_restrictions=["EU", "US"])
    assert [constraint_against(only, country, NOON) for country in ("DE", "US-CA", "CN", None)] == [
        None, None, "country_not_allowed", "country_unknown",
    ]  # fmt: skip
    assert constraint_against(Constraints(), None, NOON) is constraint_against(None, None, NOON) is None


def test_it_may_be_used_from_its_start_through_the_second_of_its_end() -> None:
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC)
    year = Constraints(start_date=start, end_date=end)
    tick = timedelta(milliseconds=1)
    instants = (start - tick, start, end, end + SECOND - tick, end + SECOND)
    codes = ["not_yet_valid", None, None, None, "no_longer_valid"]
    assert [constraint_against(year, None, at) for at in instants] == codes
    assert constraint_against(Constraints(start_date=start), None, end + days(9999)) is None
    assert constraint_against(Constraints(end_date=end), None, start - days(9999)) is None
    never = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert constraint_against(Constraints(end_date=never), None, NOON) is None
