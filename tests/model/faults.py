"""The faults that the older generated histories missed, one at a time put back into the domain: the histories must find each.

A fault is a patch of one function of the domain. `python -m tests.model.soak --faults` prints by which seed and in how many steps it is found.
"""

from __future__ import annotations

from typing import Any

from tests.model.sabotage import Patches, everywhere, fault

from entitlements.domain import (
    calendars,
    cover,
    lines,
    owing,
    plan_events,
    returns,
    rolling,
    taking,
)
from entitlements.domain.aggregate import NEVER_MS
from entitlements.domain.buckets import ClosedPeriod, Debt, Rest
from entitlements.domain.entitlement import Entitlement

# --- Recurrence ------------------------------------------------------------------------------------------------------------


@fault("a recurrence forgives what is owed")
def recurrence_forgives() -> Patches:
    right = plan_events.ContributionRecurred.apply

    def apply(self: Any, pool: Any) -> None:
        right(self, pool)
        held = pool.entitlements[self.resource_key]
        held.admitted += held.owed - held.preserved
        held.consumed -= held.preserved
        held.debts = []

    return [(plan_events.ContributionRecurred, "apply", apply)]


@fault("a recurrence gives back what a pack has paid")
def recurrence_gives_back() -> Patches:
    right = plan_events.ContributionRecurred.apply

    def apply(self: Any, pool: Any) -> None:
        held = pool.entitlements[self.resource_key]
        right(self, pool)
        bucket = held.bucket_of(self.provision_id)
        if bucket is not None:
            bucket.carried += sum(debt.paid for debt in held.debts)

    return [(plan_events.ContributionRecurred, "apply", apply)]


@fault("what was rolled over stays where nothing is used")
def rolled_over_stays() -> Patches:
    right = taking.schedule_recurrences

    def schedule(held: Entitlement, at_ms: int) -> None:
        before = {bucket.provision_id: bucket.recurs_at_ms for bucket in held.buckets}
        right(held, at_ms)
        for bucket in held.buckets:
            if bucket.consumed == bucket.earlier:
                bucket.recurs_at_ms = before[bucket.provision_id]

    return everywhere("schedule_recurrences", right, schedule)


# --- Resets ----------------------------------------------------------------------------------------------------------------


@fault("a reset by hand does nothing where nothing was used")
def untouched_is_not_reset() -> Patches:
    right = calendars.reset

    def reset(pool: Any, held: Any, at: Any, period: Any, **by_hand: Any) -> bool:
        untouched = by_hand.get("manual") and by_hand.get("anchor_at") is None and not held.is_touched
        return False if untouched else right(pool, held, at, period, **by_hand)

    return [(calendars, "reset", reset)]


@fault("the least that one carries over is taken from another")
def least_is_taken_from_another() -> Patches:
    right = rolling.rolled_over

    def rolled_over(pool: Any, held: Any) -> dict[str, int]:
        found, left = right(pool, held), max(0, held.limit - held.charged)
        for name, carried in found.items():
            found[name] = min(carried, left)
            left -= min(carried, left)
        return found

    return everywhere("rolled_over", right, rolled_over)


@fault("a downgrade makes a debt of what was included")
def downgrade_makes_a_debt() -> Patches:
    right = owing.reset

    def reset(pool: Any, held: Any, at: Any, period: Any, **by_hand: Any) -> bool:
        above = sum(max(0, b.consumed - b.limit) for b in held.buckets if b.limit is not None)
        if above and held.preserves:
            held.debts = [*held.debts, Debt(above, preserves=True)]
        return right(pool, held, at, period, **by_hand)

    return everywhere("reset", right, reset)


@fault("a pause over the reset forgives what is owed")
def pause_forgives() -> Patches:
    right = owing.rule_that_ranks_first

    def ranks_first(pool: Any, key: str) -> Any:
        held = pool.entitlements[key]
        return None if held.value is None else right(pool, key)

    def owed_on(pool: Any, held: Any, end_ms: int, *, preserve: Any, is_asked: bool) -> Any:
        if preserve is None and held.value is None:
            return [], False
        return right_owed(pool, held, end_ms, preserve=preserve, is_asked=is_asked)

    right_owed = owing._what_is_owed_on
    return [(owing, "rule_that_ranks_first", ranks_first), (owing, "_what_is_owed_on", owed_on)]


@fault("a pause over the reset loses what is carried over")
def pause_loses() -> Patches:
    right = rolling.rest_of

    def rest_of(pool: Any, held: Any, bucket: Any) -> Rest:
        rest = right(pool, held, bucket)
        if bucket.paused:
            rest.carried = 0
        return rest

    return everywhere("rest_of", right, rest_of)


@fault("debts last for ever")
def debts_last() -> Patches:
    return everywhere("expire", owing.expire, lambda pool, held, due_ms, at: None)


# --- Late usage ------------------------------------------------------------------------------------------------------------


@fault("late usage takes what was carried over once more")
def carried_over_is_taken_again() -> Patches:
    return [(Rest, "lapsed", property(lambda rest: rest.left))]


@fault("an idle period loses its grace by any change of the key")
def idle_grace_is_lost() -> Patches:
    return everywhere("remember_idle_periods", owing.remember_idle_periods, lambda pool, held, at: None)


@fault("late overage is not preserved")
def late_overage_is_forgiven() -> Patches:
    return [(Entitlement, "owe_late", lambda self, closed, quantity: None)]


@fault("a reversal in a closed period pays no overage")
def reversal_pays_no_overage() -> Patches:
    right = returns.closed_parts_back

    def closed_parts_back(pool: Any, closed: ClosedPeriod, *asked: Any) -> Any:
        overage, closed.overage = closed.overage, 0
        try:
            return right(pool, closed, *asked)
        finally:
            closed.overage = overage

    return everywhere("closed_parts_back", right, closed_parts_back)


@fault("a reversal in a closed period carries nothing more")
def nothing_more_is_carried() -> Patches:
    right = returns.what_comes_back

    def comes_back(*asked: Any) -> Any:
        return right(*asked)[0], []

    return everywhere("what_comes_back", right, comes_back)


# --- What is owed ----------------------------------------------------------------------------------------------------------


@fault("the hard limit forgets what is owed")
def hard_limit_forgets() -> Patches:
    return [(Entitlement, "overage_left", property(lambda held: max(0, held.hard_limit - held.limit)))]


@fault("what is reserved pays what is owed")
def reserved_pays() -> Patches:
    return [(owing, "_free", lambda pool, held, payers: sum(bucket.left for bucket in payers))]


@fault("nothing happens by itself to an idle pool")
def idle_is_forgotten() -> Patches:
    right = rolling.schedule_roll

    def schedule_roll(pool: Any, held: Entitlement, at_ms: int) -> None:
        held.rolls_at_ms = NEVER_MS

    return everywhere("schedule_roll", right, schedule_roll)


# --- Credits, ids, members -------------------------------------------------------------------------------------------------


@fault("a commit draws credits that have lapsed")
def credits_are_overdrawn() -> Patches:
    right = cover._balance

    def balance(credit: Entitlement, held: Any) -> int:
        return right(credit, held) if held is None else max(right(credit, held), held.credit_units)

    return [(cover, "_balance", balance)]


@fault("derived ids meet ids of callers")
def ids_collide() -> Patches:
    return everywhere("id_under_key", lines.id_under_key, lambda key, index: f"{key}/{index}" if index else key)


@fault("another subject is the same body")
def subject_is_no_body() -> Patches:
    right = lines.repeat

    def repeat(pool: Any, line: Any, known: Any, *asked: Any) -> None:
        right(pool, line | {"subject_id": known.subject_id}, known, *asked)

    return everywhere("repeat", right, repeat)


@fault("a cap with a period of its own does not follow the calendar")
def caps_keep_their_calendar() -> Patches:
    return [(calendars, "_moved_cap_periods", lambda pool, command, now_ms: [])]


#: By which seed each is found in 30 commands, and in how many of them; `make soak ARGS=--faults` looks anew.
FOUND_BY = {
    "a recurrence forgives what is owed": 0,
    "a recurrence gives back what a pack has paid": 6,
    "what was rolled over stays where nothing is used": 0,
    "a reset by hand does nothing where nothing was used": 67,
    "the least that one carries over is taken from another": 0,
    "a downgrade makes a debt of what was included": 4,
    "a pause over the reset forgives what is owed": 0,
    "a pause over the reset loses what is carried over": 0,
    "debts last for ever": 2,
    "late usage takes what was carried over once more": 25,
    "an idle period loses its grace by any change of the key": 19,
    "late overage is not preserved": 19,
    "a reversal in a closed period pays no overage": 19,
    "a reversal in a closed period carries nothing more": 247,
    "the hard limit forgets what is owed": 8,
    "what is reserved pays what is owed": 41,
    "nothing happens by itself to an idle pool": 0,
    "a commit draws credits that have lapsed": 43,
    "derived ids meet ids of callers": 237,
    "another subject is the same body": 16,
    "a cap with a period of its own does not follow the calendar": 42,
}
