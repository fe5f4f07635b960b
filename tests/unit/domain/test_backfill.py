"""Backfill: a pool takes history at the commands' effective_at until the first command without one (docs/architecture.md 3.2)."""

from dataclasses import replace
from datetime import datetime

import pytest
from specification import days, entitlements_changed, given, happens, has, hours, instants, recorded, reset

from entitlements.domain.aggregate import from_ms
from entitlements.domain.commands import Command
from entitlements.domain.errors import (
    EffectiveAtIsNotAllowed,
    PoolAlreadyExists,
    ProvisionAlreadyExists,
    UnknownProvision,
)
from entitlements.examples import (
    NOON,
    advance_clock,
    assign_workspace,
    end_provision,
    feature,
    line,
    open_pool,
    provision_pool,
    quota,
    record_usage,
    record_usage_batch,
    suspend_pool,
    suspend_provision,
)
from entitlements.examples_of_terms import one_of_each

LONG_AGO = NOON - days(4000)


def used_at(at: datetime | None, quantity: int = 1) -> Command:
    return record_usage(line("api_calls", quantity), effective_at=at)


def history(*more: Command) -> list[Command]:
    """A pool in backfill with ten API calls a day from the start."""
    start = provision_pool("p", quota("api_calls", 10), effective_at=LONG_AGO)
    return [open_pool(backfill_from=LONG_AGO), start, *more]


def test_the_clock_of_a_backfilled_pool_starts_where_its_history_does() -> None:
    (
        given()
        .when(open_pool(backfill_from=LONG_AGO))
        .then(happens("PoolOpened", timestamp=LONG_AGO, backfill_from=LONG_AGO))
    )


def test_history_is_decided_at_the_instants_it_happened() -> None:
    (
        given(history())
        .when(used_at(LONG_AGO + days(1), 10), used_at(LONG_AGO + days(2), 10))
        .then(
            happens("UsageRecorded", timestamp=LONG_AGO + days(1)),
            happens("QuotaReset", timestamp=LONG_AGO + days(1) + hours(12), consumed=10),
            happens("UsageRecorded", timestamp=LONG_AGO + days(2)),
        )
    )


def test_history_before_the_pools_clock_is_decided_at_its_clock() -> None:
    (
        given(history(used_at(LONG_AGO + days(2))))
        .when(used_at(LONG_AGO + days(1)), used_at(LONG_AGO - days(1)))
        .then(
            happens("UsageRecorded", timestamp=LONG_AGO + days(2)),
            happens("UsageRecorded", timestamp=LONG_AGO + days(2)),
        )
    )


def test_history_after_the_log_is_decided_at_the_logs_time() -> None:
    story = given(history()).when(used_at(NOON + days(100)))
    story.then(happens("UsageRecorded", timestamp=NOON))
    assert story.pool.is_backfilling


def test_the_first_command_without_an_instant_ends_the_backfill() -> None:
    story = (
        given(history(used_at(LONG_AGO + hours(1), 10)))
        .when(used_at(None, 10))
        .then(
            reset(timestamp=LONG_AGO + hours(12)),
            happens("BackfillEnded", timestamp=NOON, command_id="a-command"),
            recorded(quantity=10),
        )
    )
    assert not story.pool.is_backfilling
    story.when(hours(1), used_at(LONG_AGO + days(9), 1)).lines((0, EffectiveAtIsNotAllowed, -1))
    assert dict(instants(story.happened))["UsageRefused"] == NOON + hours(1)


def test_a_refused_command_without_an_instant_ends_the_backfill_too() -> None:
    given(history()).when(suspend_provision("unheard-of")).refused(UnknownProvision, happens("BackfillEnded"))


def test_all_that_was_due_in_history_happens_before_the_backfill_ends() -> None:
    ends_at = LONG_AGO + days(30)
    (
        given(
            open_pool(backfill_from=LONG_AGO),
            provision_pool("p", feature("sso"), ends_at=ends_at, effective_at=LONG_AGO),
        )
        .when(advance_clock())
        .then(
            happens("ProvisionEnded", timestamp=ends_at),
            entitlements_changed({"after": None}, timestamp=ends_at),
            happens("BackfillEnded", timestamp=NOON),
        )
    )


def test_provisions_of_history_are_judged_by_its_time() -> None:
    ends_at = LONG_AGO + days(30)
    (
        given(open_pool(backfill_from=LONG_AGO))
        .when(provision_pool("p", feature("sso"), ends_at=ends_at, effective_at=LONG_AGO + days(1)))
        .then(
            happens("ProvisionScheduled", starts_at=LONG_AGO + days(1), timestamp=LONG_AGO + days(1)),
            happens("ProvisionStarted"),
            entitlements_changed(has("sso")),
        )
    )


def test_an_effective_instant_is_refused_by_a_pool_that_is_not_in_backfill() -> None:
    """It was silently decided at the log's instant: whoever brings in history would never have known."""
    story = given(open_pool(), provision_pool("p", feature("sso")))
    story.when(hours(1), end_provision("p", effective_at=NOON - days(5))).refused(EffectiveAtIsNotAllowed)
    story.when(advance_clock(effective_at=NOON)).refused(EffectiveAtIsNotAllowed)
    given().when(open_pool(effective_at=LONG_AGO)).refused(EffectiveAtIsNotAllowed)
    given().when(open_pool(effective_at=LONG_AGO, backfill_from=LONG_AGO)).refused(EffectiveAtIsNotAllowed)
    opened = given(open_pool(backfill_from=LONG_AGO))
    opened.when(open_pool(effective_at=LONG_AGO, backfill_from=LONG_AGO)).refused(EffectiveAtIsNotAllowed)


@pytest.mark.parametrize(
    "command",
    [command for command in one_of_each() if command.aggregate_type != "pool"],
    ids=lambda command: type(command).__name__,
)
def test_what_is_said_to_no_pool_has_no_effective_instant(command: Command) -> None:
    given().when(replace(command, effective_at=LONG_AGO)).refused(EffectiveAtIsNotAllowed)


def test_a_command_of_a_backfill_is_repeated_after_it_as_any_other() -> None:
    assign = assign_workspace(effective_at=LONG_AGO, idempotency_key="k")
    story = given(open_pool(backfill_from=NOON - hours(1)), assign, suspend_pool())
    story.when(assign).then_repeated()
    story.when(replace(assign, idempotency_key="k2")).refused(EffectiveAtIsNotAllowed)


def test_lines_with_an_effective_instant_are_refused_one_by_one_but_for_repeats() -> None:
    at = NOON - hours(1)
    known, new = line("api_calls", 1, usage_id="u"), line("api_calls", 1, usage_id="v")
    started = provision_pool("p", quota("api_calls", 10), effective_at=at)
    story = given(open_pool(backfill_from=at), started, record_usage(known, effective_at=at), advance_clock())
    both = record_usage(known, new, effective_at=at)
    story.when(both).lines((1, EffectiveAtIsNotAllowed, -1), accepted=1, repeated=1)
    assert story.consumed("api_calls") == 1


def test_a_numbered_batch_with_an_effective_instant_can_be_sent_again_without_it() -> None:
    story = given(open_pool(), provision_pool("p", quota("api_calls", 10)))
    batch = record_usage_batch(line("api_calls", 3), source="gateway", sequence=7, effective_at=LONG_AGO)
    story.when(batch).lines((0, EffectiveAtIsNotAllowed, -1))
    story.when(replace(batch, effective_at=None)).lines(accepted=1)
    assert story.consumed("api_calls") == 3
    story.when(batch).lines(accepted=1, repeated=1)


def test_opening_the_pool_again_neither_ends_the_backfill_nor_moves_its_clock() -> None:
    opening = open_pool(backfill_from=LONG_AGO)
    ends_at = LONG_AGO + days(30)
    story = given(opening, provision_pool("p", feature("sso"), ends_at=ends_at, effective_at=LONG_AGO))
    story.when(opening).then_nothing()
    story.when(open_pool(backfill_from=LONG_AGO, idempotency_key="again")).then(
        happens("AnswerRemembered", timestamp=LONG_AGO)
    )
    story.when(open_pool(backfill_from=LONG_AGO + days(1))).refused(PoolAlreadyExists)
    assert story.pool.is_backfilling
    assert from_ms(story.pool.clock_ms) == LONG_AGO


def test_a_repeat_in_history_is_harmless() -> None:
    provision = provision_pool("p", quota("api_calls", 10), effective_at=LONG_AGO)
    story = given(history(used_at(LONG_AGO + days(3))))
    story.when(provision).then_nothing()
    story.when(provision_pool("p", quota("api_calls", 11), effective_at=LONG_AGO)).refused(ProvisionAlreadyExists)
    assert story.pool.is_backfilling
