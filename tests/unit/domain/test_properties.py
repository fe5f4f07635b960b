"""What is true of every history, however rude its callers are."""

from __future__ import annotations

from collections import Counter
from copy import deepcopy
from random import Random
from typing import Any

import pytest
from generated import Logged, histories, histories_settings, history
from hypothesis import given
from specification import state_of, through_the_ledger

from entitlements.domain import usage
from entitlements.domain.aggregate import Event
from entitlements.domain.checks import check_fields
from entitlements.domain.commands import AdvanceClock, RecordUsageBatch
from entitlements.domain.decide import Answer, decide, record_group
from entitlements.domain.errors import CommandRefused
from entitlements.domain.lines import UsageAnswer
from entitlements.domain.pools import ResourcePool
from model import Model


class Life:
    """One pool, decided command by command."""

    def __init__(self) -> None:
        self.pool: ResourcePool | None = None
        self.events: list[Event] = []
        self.answers: list[Any] = []

    def decide(self, logged: Logged) -> list[Event]:
        """Decide a command; what happened by it."""
        try:
            answer = self._answer(logged)
            self.answers.append((answer.repeated, answer.usage))
        except CommandRefused as refusal:
            self.answers.append(refusal.code)
        happened = [] if self.pool is None else self.pool.take_events()
        self.events += happened
        return happened

    def _answer(self, logged: Logged) -> Answer:
        command = logged.command
        if isinstance(command, RecordUsageBatch):
            check_fields(command)
            assert self.pool is not None
            counted = UsageAnswer()
            record_group(self.pool, command, command.groups[0]["lines"], logged.timestamp_ms, counted, 0)
            return Answer(self.pool, usage=counted)
        answer = decide(self.pool, command, logged.timestamp_ms)
        assert isinstance(answer.aggregate, ResourcePool)
        self.pool = answer.aggregate
        return answer

    @property
    def was_refused(self) -> bool:
        return isinstance(self.answers[-1], str)


def live(log: list[Logged]) -> Life:
    life = Life()
    for logged in log:
        life.decide(logged)
    return life


@histories_settings(25)
@given(log=histories())
def test_every_event_and_every_state_is_what_the_model_works_out(log: list[Logged]) -> None:
    life, model = Life(), None
    for logged in log:
        for event in life.decide(logged):
            if model is None:
                model = Model(event)
            else:
                model.take(event)
            assert getattr(event, "command_id", logged.command.command_id) == logged.command.command_id
        assert model is not None
        assert life.pool is not None
        model.check(life.pool)


@histories_settings(12)
@given(log=histories())
def test_folding_the_events_through_the_ledger_gives_the_live_state_after_every_command(log: list[Logged]) -> None:
    life = Life()
    folded: Any = None
    for logged in log:
        for event in through_the_ledger(life.decide(logged)):
            folded = event.mutate(folded)
        assert life.pool is not None
        assert state_of(folded) == state_of(life.pool)


@histories_settings(8)
@given(log=histories())
def test_deciding_the_same_log_twice_gives_equal_events_and_answers(log: list[Logged]) -> None:
    one, other = live(log), live(log)
    assert one.events == other.events
    assert one.answers == other.answers


@histories_settings(12)
@given(log=histories())
def test_the_short_way_of_a_usual_line_decides_as_the_long_way_does(log: list[Logged]) -> None:
    short = live(log)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(usage, "_record_usual", lambda *_: False)
        long = live(log)
    assert short.events == long.events
    assert short.answers == long.answers
    assert state_of(short.pool) == state_of(long.pool)


@histories_settings(12)
@given(log=histories())
def test_a_refused_command_leaves_no_trace_but_what_was_due_anyway(log: list[Logged]) -> None:
    life = Life()
    for logged in log:
        check_no_trace(life, logged)


def check_no_trace(life: Life, logged: Logged) -> None:
    """Decide a command; if it is refused, nothing is different but what the clock would have brought anyway."""
    before = deepcopy(life.pool)
    happened = life.decide(logged)
    if not life.was_refused or before is None:
        return
    assert life.pool is not None
    if happened:
        command = logged.command
        at = command.effective_at if before.is_backfilling else None
        tick = AdvanceClock(command_id=command.command_id, pool_id=before.id, effective_at=at)
        decide(before, tick, logged.timestamp_ms)
        assert before.take_events() == happened
    assert state_of(life.pool) == state_of(before)


@histories_settings(12)
@given(log=histories())
def test_what_is_asked_twice_in_a_row_under_one_key_has_one_effect(log: list[Logged]) -> None:
    life = Life()
    for logged in log:
        life.decide(logged)
        if logged.command.idempotency_key is None or life.was_refused or isinstance(logged.command, RecordUsageBatch):
            continue
        repeated, lines = life.answers[-1]
        if lines is None or not lines.refused:
            assert life.decide(logged) == [], repeated


def test_generated_histories_reach_every_event_and_most_refusals() -> None:
    """The properties are worth as much as the histories they are held against."""
    reached: Counter[str] = Counter()
    for seed in range(60):
        life = live(history(Random(seed), 60))
        reached.update(type(event).__name__ for event in life.events)
        for answer in life.answers:
            codes = (
                [answer]
                if isinstance(answer, str)
                else [code for _, code, _ in (answer[1].refused if answer[1] else ())]
            )
            reached.update(codes)
    assert set(reached) >= {
        "PoolOpened", "BackfillEnded", "PoolSuspended", "PoolResumed", "PoolClosed", "ProvisionScheduled",
        "ProvisionStarted", "ProvisionSuspended", "ProvisionResumed", "ProvisionEndScheduled", "ProvisionEndWithdrawn", "ProvisionEnded",
        "GrantIssued", "GrantRevoked", "GrantExpired", "WorkspaceAssigned", "WorkspaceUnassigned",
        "EntitlementsChanged", "UsageRecorded", "UsageRefused", "UsageReleased", "QuotaWarned", "QuotaExceeded",
        "QuotaReset", "AnswerRemembered",
        "pool_already_exists", "pool_is_closed", "pool_is_suspended", "unknown_provision", "provision_already_exists",
        "provision_is_over", "ladder_is_occupied", "rules_conflict", "unknown_grant", "grant_already_exists",
        "customer_is_not_assigned", "not_entitled", "unknown_key", "key_is_not_metered", "key_is_not_held",
        "quota_exceeded", "period_is_closed", "more_than_is_held", "idempotency_key_reused", "invalid_instant",
        "invalid_quantity", "provision_suspended", "no_billing_period",
    }  # fmt: skip
