"""What is true of every history of the whole domain, whatever is asked in it."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

from engines import Engine, Ledger, answers_of, as_logged, final_states, story_of, undisturbed
from generated import Logged, histories_settings
from generated_whole import METERED, RULES, whole_histories, whole_history
from hypothesis import given
from hypothesis import strategies as st
from specification import state_of, through_the_ledger
from test_properties import Life, check_no_trace

from entitlements import examples as ask
from entitlements import examples_of_terms as terms
from entitlements.domain.aggregate import Event
from entitlements.domain.buckets import UNLIMITED
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pools import ResourcePool, parts_of
from entitlements.domain.stacking import stack
from entitlements.domain.values import Rule, UsageMode

MODES: tuple[UsageMode, ...] = ("strict", "report")
QUOTAS = [key for key in METERED if RULES[key].rule_type != "limit"]


@histories_settings(25)
@given(log=whole_histories())
def test_folding_the_events_gives_the_live_state_after_every_command(log: list[Logged]) -> None:
    life = Life()
    folded: Any = None
    for logged in log:
        for event in through_the_ledger(life.decide(logged)):
            folded = event.mutate(folded)
        assert state_of(folded) == state_of(life.pool), logged.command


@histories_settings(12)
@given(log=whole_histories(40), cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8), seed=st.integers(0, 2**32))
def test_cuts_snapshots_and_restarts_change_nothing(log: list[Logged], cuts: list[int], seed: int) -> None:
    random, commands = Random(seed), as_logged(log)
    expected, ledger = undisturbed(commands), Ledger()
    engine, turn = Engine("e", commands, ledger), 0
    while engine.decide(cuts[turn % len(cuts)]):
        engine.write()
        engine.read()
        turn += 1
        if random.random() < 0.5:
            engine.take_snapshot()
        if random.random() < 0.5:
            engine.recover(random.choice([None, *ledger.snapshots]))
    assert story_of(ledger.valid_frames()) == story_of(expected.ledger.valid_frames())
    assert final_states(engine.partition) == final_states(expected.partition)
    assert answers_of(engine.answers) == answers_of(expected.answers)


@histories_settings(8)
@given(log=whole_histories(40))
def test_the_same_log_gives_the_same_bytes(log: list[Logged]) -> None:
    commands = as_logged(log)
    assert undisturbed(commands).ledger.records == undisturbed(commands).ledger.records


@histories_settings(25)
@given(log=whole_histories())
def test_what_is_held_adds_up(log: list[Logged]) -> None:
    life = Life()
    for logged in log:
        life.decide(logged)
        pool = life.pool
        assert pool is not None
        for key, entitlement in pool.entitlements.items():
            check_holds(pool, key, entitlement)
        check_ladders(pool)


def check_holds(pool: ResourcePool, key: str, entitlement: Entitlement) -> None:
    reservations = pool.reservations.values()
    reserved = sum(held.charged for held in reservations if held.resource_key == key)
    reserved += sum(held.credit_units for held in reservations if held.credit_key == key)
    assert entitlement.reserved == reserved
    assert entitlement.consumed >= entitlement.elsewhere >= 0
    assert all(bucket.consumed >= bucket.earlier >= 0 for bucket in entitlement.buckets)
    if entitlement.entitlement_type in ("quota", "credit"):
        # Who bears what adds up: the rest is overage, or given by an override.
        assert sum(bucket.consumed for bucket in entitlement.buckets) <= entitlement.charged
    assert entitlement.credit_quantity >= 0
    assert entitlement.credit_units >= 0
    assert all(closed.consumed >= closed.elsewhere >= 0 for closed in entitlement.closed.values())
    if entitlement.entitlement_type == "limit":
        assert sum(holding.held for holding in pool.holders.get(key, {}).values()) <= entitlement.consumed
        if entitlement.buckets:
            assert sum(bucket.consumed for bucket in entitlement.burn_order()) == entitlement.consumed
    on_demand = pool.on_demand.get(key)
    if on_demand is not None:
        assert on_demand.reserved == sum(held.spending for held in reservations if held.resource_key == key)
        assert on_demand.spent >= on_demand.charged >= 0
        assert on_demand.quantity >= 0


def check_ladders(pool: ResourcePool) -> None:
    active = Counter(p.ladder for p in pool.provisions.values() if p.ladder and p.status == "active")
    assert all(count == 1 for count in active.values())


@histories_settings(12)
@given(log=whole_histories())
def test_a_refused_command_leaves_no_trace_but_what_was_due_anyway(log: list[Logged]) -> None:
    life = Life()
    for logged in log:
        check_no_trace(life, logged)


@histories_settings(25)
@given(
    seed=st.integers(0, 2**32), quantity=st.integers(1, 60), key=st.sampled_from(QUOTAS), mode=st.sampled_from(MODES)
)
def test_what_is_recorded_and_reversed_leaves_everything_as_it_was(
    seed: int, quantity: int, key: str, mode: UsageMode
) -> None:
    life = Life()
    for logged in whole_history(Random(seed), 40):
        life.decide(logged)
    # Whatever is due has happened, and a backfill is over.
    now_ms = logged.timestamp_ms
    life.decide(Logged(now_ms, ask.advance_clock(pool_id="pool-0")))
    before = _counts(life.pool)
    line = ask.line(key, quantity, mode, usage_id="mistake")
    life.decide(Logged(now_ms, ask.record_usage(line, pool_id="pool-0")))
    assert life.pool is not None
    if "mistake" in life.pool.usage_ids:
        life.decide(Logged(now_ms, terms.reverse_usage("mistake", pool_id="pool-0")))
        assert not life.was_refused, life.answers[-1]
        assert _counts(life.pool) == before


def _counts(pool: ResourcePool | None) -> dict[str, Any]:
    """What usage moves, of every key; limits are part of it, since what lapses is lost."""
    assert pool is not None
    counts: dict[str, Any] = {
        key: (
            held.consumed, held.elsewhere, held.credit_quantity, held.credit_units, held.limit,
            [(bucket.provision_id, bucket.consumed, bucket.limit, bucket.carried) for bucket in held.buckets],
        )
        for key, held in pool.entitlements.items()
    }  # fmt: skip
    spent = {key: (money.spent, money.quantity, money.charged) for key, money in pool.on_demand.items()}
    return counts | {f"spent on {key}": money for key, money in spent.items()}


@histories_settings(25)
@given(log=whole_histories())
def test_every_effective_value_is_the_stacking_of_its_contributions(log: list[Logged]) -> None:
    life = Life()
    for logged in log:
        for event in life.decide(logged):
            for change in getattr(event, "changes", ()):
                if change.after is None or change.after.override_id or change.entitlement_type == "boolean":
                    continue
                ruling = Rule(
                    resource_key=change.resource_key, rule_type=change.entitlement_type, stacking=change.stacking
                )
                stacked = stack(change.contributions, change.stacking, ruling)
                assert (stacked.limit, stacked.soft_limit, stacked.hard_limit) == (
                    change.after.limit,
                    change.after.soft_limit,
                    change.after.hard_limit,
                )


@histories_settings(25)
@given(log=whole_histories())
def test_every_line_is_borne_whole_and_strict_usage_never_goes_too_far(log: list[Logged]) -> None:
    life = Life()
    for logged in log:
        for event in life.decide(logged):
            check_lines(life.pool, event)
        pool = life.pool
        assert pool is not None
        for on_demand in pool.on_demand.values():
            assert on_demand.spent >= 0


def check_lines(pool: ResourcePool | None, event: Event) -> None:
    assert pool is not None
    if type(event).__name__ == "UsageCorrected" and event.parts:  # type: ignore[attr-defined]
        assert sum(part["quantity"] for part in event.parts) == event.adjustment  # type: ignore[attr-defined]
    if type(event).__name__ != "UsageRecorded":
        return
    for line in event.lines:  # type: ignore[attr-defined]
        parts = parts_of(line)
        assert sum(part[3] for part in parts) == line["quantity"]
        assert sum(part[3] for part in parts if part[0] == "overage") == line["overage"]
        assert all(part[3] >= 0 and part[4] >= 0 and part[3] + part[4] > 0 for part in parts)
        held = pool.entitlements[line["resource_key"]]
        committed = line["details"] is not None and line["details"]["reservation_id"]
        if line["mode"] == "strict" and not committed and held.value is not None and held.limit == held.hard_limit:
            assert not line["overage"] or held.limit < UNLIMITED


def test_generated_histories_reach_every_event() -> None:
    """The properties are worth as much as the histories they are held against."""
    reached: Counter[str] = Counter()
    for seed in range(200):
        life = Life()
        for logged in whole_history(Random(seed), 60):
            reached.update(type(event).__name__ for event in life.decide(logged))
            answer = life.answers[-1]
            codes = [answer] if isinstance(answer, str) else [c for _, c, _ in (answer[1].refused if answer[1] else ())]
            reached.update(codes)
    assert set(reached) >= {
        "ProvisionRevised", "ProvisionQuantityChanged", "DefaultsChanged", "CalendarChanged", "ContributionRecurred",
        "OverrideSet", "OverrideCleared", "OverrideExpired", "OnDemandConfigured", "SpendingAlerted", "MemberCapped",
        "UsageReserved", "ReservationExtended", "ReservationCommitted", "ReservationReleased", "ReservationExpired",
        "HoldingChanged", "LimitOverAllocated", "OverAllocationEnded", "UsageCorrected", "ExceededWithdrawn",
        "QuotaReset", "unknown_reservation", "reservation_already_exists", "ladder_is_empty",
        "unknown_usage", "more_than_was_used", "unknown_override", "override_already_exists",
    }, sorted(reached)  # fmt: skip
