"""Who would have a key but for a suspension is told so; who would not have it anyway is not."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from specification import days, given, happens, pool_with, used

from entitlements.domain.commands import Command
from entitlements.domain.errors import NotEntitled, PoolIsSuspended, ProvisionIsSuspended, QuotaIsExceeded
from entitlements.domain.overflow import asks_the_next
from entitlements.domain.values import Rule
from entitlements.examples import (
    WORKSPACE,
    assign_workspace,
    end_provision,
    issue_grant,
    limit,
    line,
    provision_pool,
    quota,
    record_usage,
    resume_provision,
    suspend_pool,
    suspend_provision,
)
from entitlements.examples_of_terms import allocate_limit, extend_reservation, reserve_usage, set_override

PAST_DUE = [pool_with(quota("api_calls", 100), limit("seats", 5)), suspend_provision(reason="past due")]


def test_usage_of_what_is_suspended_says_so() -> None:
    story = given(PAST_DUE).when(used("api_calls", 1)).lines((0, ProvisionIsSuspended, -1))
    story.when(used("seats", 1)).lines((0, ProvisionIsSuspended, -1))
    story.when(record_usage(line("api_calls", 1, "report"))).lines(accepted=1)
    story.when(resume_provision(), used("api_calls", 1)).lines(accepted=1)


@pytest.mark.parametrize("command", [reserve_usage(), allocate_limit()])
def test_what_is_held_of_what_is_suspended_is_refused_alike(command: Command) -> None:
    given(PAST_DUE).when(command).refused(ProvisionIsSuspended)


def test_a_lease_of_what_is_suspended_is_not_extended() -> None:
    held = [pool_with(quota("api_calls", 100)), reserve_usage(lease=True), suspend_provision()]
    given(held).when(extend_reservation()).refused(ProvisionIsSuspended)


def test_late_usage_in_grace_of_what_is_suspended_says_so() -> None:
    graceful = pool_with(quota("api_calls", 100, grace_for=86_400))
    story = given(graceful, used("api_calls", 1), days(1), suspend_provision())
    yesterday = datetime(2026, 3, 2, 13, tzinfo=UTC)
    story.when(record_usage(line("api_calls", 1, occurred_at=yesterday))).lines((0, ProvisionIsSuspended, -1))


def test_who_has_it_from_another_provision_too_is_refused_for_what_is_left() -> None:
    story = given(PAST_DUE, provision_pool("other", quota("api_calls", 3)))
    story.when(used("api_calls", 4)).happened_so(happens("UsageRefused"), happens("QuotaExceeded"))
    story.lines((0, QuotaIsExceeded, 3))


def test_what_was_never_bought_has_ended_or_is_denied_is_not_said_to_be_suspended() -> None:
    given(PAST_DUE, end_provision()).when(used("api_calls", 1)).lines((0, NotEntitled, -1))
    ended = [pool_with(limit("seats")), issue_grant("g", quota("api_calls", 5)), end_provision("g")]
    given(ended, suspend_provision()).when(used("api_calls", 1)).lines((0, NotEntitled, -1))
    denied = set_override(None, allowed=False)
    given(PAST_DUE, denied).when(used("api_calls", 1)).lines((0, NotEntitled, -1))
    of_workspace = [assign_workspace(), replace(denied, workspace_id=WORKSPACE)]
    story = given(PAST_DUE, of_workspace)
    story.when(record_usage(line("api_calls", workspace_id=WORKSPACE))).lines((0, NotEntitled, -1))
    story.when(used("api_calls", 1)).lines((0, ProvisionIsSuspended, -1))


def test_what_a_suspended_provision_denies_it_does_not_include() -> None:
    denying = Rule(resource_key="sso", rule_type="boolean", stacking="override", denied=True)
    story = given(pool_with(denying), suspend_provision())
    assert story.pool.provisions["subscription-1"].rules == [denying]
    from entitlements.domain.suspension import why_not_entitled

    assert why_not_entitled(story.pool, "sso") is NotEntitled
    assert why_not_entitled(story.pool, "never-heard-of") is NotEntitled


def test_a_suspended_pool_is_what_is_told_first() -> None:
    given(PAST_DUE, suspend_pool()).when(used("api_calls", 1)).lines((0, PoolIsSuspended, -1))


def test_usage_goes_on_to_the_next_pool_from_one_that_is_past_due() -> None:
    assert asks_the_next(ProvisionIsSuspended.code, may_overflow=False)
