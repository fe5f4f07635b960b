"""Stacking: how contributions of active provisions combine to what a pool has."""

from typing import Any

import pytest
from specification import days, entitlements_changed, given, happens, hours, pool_with, recorded, used

from entitlements.domain.restack import restack
from entitlements.domain.values import EffectiveValue, Rule
from entitlements.examples import (
    NOON,
    end_provision,
    feature,
    limit,
    open_pool,
    provision_pool,
    quota,
    resume_pool,
    suspend_pool,
    suspend_provision,
)

UNLIMITED = None


def effective(*rules: Rule) -> tuple[int | None, int | None, int | None]:
    """Limit, soft limit and hard limit of a pool to which each rule is conferred by a provision of its own."""
    story = given(open_pool(), [provision_pool(f"p-{at}", rule) for at, rule in enumerate(rules)])
    value = story.pool.entitlements["k"].value
    assert value is not None
    return value.limit, value.soft_limit, value.hard_limit


@pytest.mark.parametrize(
    ("amounts", "summed", "greatest"),
    [
        ([100], 100, 100),
        ([100, 50], 150, 100),
        ([0, 0], 0, 0),
        ([0, 7], 7, 7),
        ([100, UNLIMITED], UNLIMITED, UNLIMITED),
        ([UNLIMITED], UNLIMITED, UNLIMITED),
    ],
)
def test_amounts_combine_by_sum_or_max_and_unlimited_outranks_every_number(
    amounts: list[int | None], summed: int | None, greatest: int | None
) -> None:
    assert effective(*(quota("k", amount, stacking="sum") for amount in amounts)) == (summed, None, summed)
    assert effective(*(limit("k", amount, stacking="max") for amount in amounts)) == (greatest, None, greatest)


@pytest.mark.parametrize(
    ("rules", "stacking", "expected"),
    [
        # A contribution without a hard limit refuses above its limit.
        ([{"amount": 100, "hard_limit": 120}, {"amount": 50}], "sum", (150, None, 170)),
        ([{"amount": 100, "hard_limit": 120}, {"amount": 150}], "max", (150, None, 150)),
        ([{"amount": 100, "hard_limit": 200}, {"amount": 150}], "max", (150, None, 200)),
        ([{"amount": 100, "hard_limit": 120}, {"amount": UNLIMITED}], "sum", (UNLIMITED, None, UNLIMITED)),
        # A contribution without a soft limit warns at its limit if any other states one.
        ([{"amount": 100, "soft_limit": 80}, {"amount": 50}], "sum", (150, 130, 150)),
        ([{"amount": 100, "soft_limit": 80}, {"amount": 50, "soft_limit": 10}], "sum", (150, 90, 150)),
        ([{"amount": 100, "soft_limit": 80}, {"amount": 50}], "max", (100, 80, 100)),
        (
            [{"amount": UNLIMITED, "soft_limit": 80}, {"amount": 50, "soft_limit": 40}],
            "sum",
            (UNLIMITED, 120, UNLIMITED),
        ),
        # Nobody is warned of what has no limit.
        ([{"amount": 100, "soft_limit": 80}, {"amount": UNLIMITED}], "sum", (UNLIMITED, None, UNLIMITED)),
    ],
)
def test_soft_and_hard_limits_combine_as_the_amounts_do(
    rules: list[dict[str, Any]], stacking: Any, expected: tuple[int | None, int | None, int | None]
) -> None:
    assert (
        effective(*(limit("k", rule.pop("amount"), stacking=stacking, **rule) for rule in map(dict, rules))) == expected
    )


def test_amounts_per_unit_are_multiplied_by_the_quantity_of_the_provision() -> None:
    rules = (
        limit("seats", 5, soft_limit=4, hard_limit=6, per_unit=True),
        quota("api_calls", 100),
    )
    story = given(open_pool(), provision_pool("p", *rules, quantity=3))
    assert story.pool.entitlements["seats"].value == EffectiveValue(limit=15, soft_limit=12, hard_limit=18, period=None)
    assert story.pool.entitlements["api_calls"].value == EffectiveValue(
        limit=100, soft_limit=None, hard_limit=100, period="day"
    )


def test_a_feature_is_had_as_long_as_anyone_confers_it() -> None:
    story = given(pool_with(feature("sso")), provision_pool("other", feature("sso")))
    story.when(end_provision("subscription-1")).then(
        happens("ProvisionEnded"),
        entitlements_changed(
            {
                "resource_key": "sso",
                "before": {"limit": None},
                "after": {"limit": None},
                "contributions": [{"provision_id": "other"}],
            }
        ),
    )
    story.when(end_provision("other")).then(
        happens("ProvisionEnded"), entitlements_changed({"resource_key": "sso", "after": None, "contributions": []})
    )


def test_a_change_tells_before_after_and_every_contribution_oldest_first() -> None:
    (
        given(pool_with(quota("api_calls", 100, soft_limit=80)))
        .when(provision_pool("extra", quota("api_calls", 20)))
        .then(
            happens("ProvisionScheduled"),
            happens("ProvisionStarted"),
            entitlements_changed(
                {
                    "resource_key": "api_calls",
                    "entitlement_type": "quota",
                    "stacking": "sum",
                    "before": {"limit": 100, "soft_limit": 80, "hard_limit": 100, "period": "day"},
                    "after": {"limit": 120, "soft_limit": 100, "hard_limit": 120, "period": "day"},
                    "contributions": [
                        {"provision_id": "subscription-1", "limit": 100, "soft_limit": 80, "hard_limit": None},
                        {"provision_id": "extra", "limit": 20, "soft_limit": None, "hard_limit": None},
                    ],
                }
            ),
        )
    )


def test_only_keys_that_changed_are_told() -> None:
    (
        given(pool_with(quota("api_calls", 100), feature("sso")))
        .when(provision_pool("extra", quota("api_calls", 20)))
        .then(
            happens("ProvisionScheduled"),
            happens("ProvisionStarted"),
            entitlements_changed({"resource_key": "api_calls"}),
        )
    )


def test_a_smaller_contribution_by_max_is_told_though_the_value_stays() -> None:
    story = given(pool_with(limit("seats", 9, stacking="max"))).when(
        provision_pool("small", limit("seats", 5, stacking="max"))
    )
    story.then(
        happens("ProvisionScheduled"),
        happens("ProvisionStarted"),
        entitlements_changed({"before": {"limit": 9}, "after": {"limit": 9}}),
    )


def test_stacking_what_is_stacked_changes_nothing() -> None:
    story = given(pool_with(quota(), feature(), limit()))
    restack(story.pool, NOON)
    assert story.pool.take_events() == []


def test_ending_one_of_two_at_the_instant_the_other_starts_is_one_change() -> None:
    swap = NOON + hours(1)
    (
        given(
            open_pool(),
            provision_pool("a", quota("k", 10), ends_at=swap),
            provision_pool("b", quota("k", 30), starts_at=swap),
        )
        .when(hours(2), used("k", 25))
        .then(
            happens("ProvisionEnded"),
            happens("ProvisionStarted"),
            entitlements_changed({"resource_key": "k", "before": {"limit": 10}, "after": {"limit": 30}}),
            recorded("k", 25),
        )
    )


def test_suspending_pool_and_provision_takes_both_away_and_resuming_the_pool_gives_only_the_rest() -> None:
    (
        given(pool_with(quota("k", 10)), provision_pool("other", quota("k", 5)), suspend_provision(), suspend_pool())
        .when(resume_pool())
        .then(happens("PoolResumed"), entitlements_changed({"resource_key": "k", "after": {"limit": 5}}))
    )


# --- Who bears it --------------------------------------------------------------------------------------------------------


def test_usage_is_borne_by_the_first_to_end() -> None:
    (
        given(
            open_pool(),
            provision_pool("open end", quota("k", 10)),
            provision_pool("later", quota("k", 10), ends_at=NOON + days(9)),
            provision_pool("sooner", quota("k", 10), ends_at=NOON + days(5)),
        )
        .when(used("k", 1))
        .then(recorded("k", 1, provision_id="sooner"))
    )


def test_of_those_that_end_together_the_oldest_bears_usage() -> None:
    (
        given(open_pool(), provision_pool("older", quota("k", 10)), provision_pool("newer", quota("k", 10)))
        .when(used("k", 1))
        .then(recorded("k", 1, provision_id="older"))
    )


def test_whoever_is_made_to_end_first_bears_usage_from_then_on() -> None:
    (
        given(open_pool(), provision_pool("older", quota("k", 10)), provision_pool("newer", quota("k", 10)))
        .when(end_provision("newer", ends_at=NOON + days(1)), used("k", 1))
        .then(happens("ProvisionEndScheduled"), happens("EntitlementsChanged"), recorded("k", 1, provision_id="newer"))
    )


def test_what_nobody_confers_nobody_bears() -> None:
    (
        given(pool_with(quota("k", 10)), end_provision())
        .when(used("k", 1, "report"))
        .then(recorded("k", 1, provision_id="", overage=1), happens("QuotaExceeded"))
    )
