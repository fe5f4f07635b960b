"""Double entry, read from the domain's events and state alone: what each event moves is what the state has more or less afterwards.

For each key: consumed = included by contributions + admitted by an override + elsewhere (credits, payers) + owed + forgiven. What an event
says moves these accounts, and nothing else does: no unit appears or vanishes at a plan change, a pause, a recurrence or a reset.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from entitlements.domain.aggregate import Event
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pools import ResourcePool

#: What a pool has only while a command is under way.
TRANSIENT = {"command_id", "recorded_by", "_pending_events"}
#: The accounts of a key beside those of its contributions, which go by their ids.
ACCOUNTS = ("consumed", "elsewhere", "admitted", "owed", "forgiven")
Accounts = Counter[tuple[str, str]]


class Sums:
    """The events of one pool, folded beside it, and its accounts before and after each."""

    def __init__(self, events: list[Event]) -> None:
        self.folded: Any = None
        for event in events:
            self.folded = event.mutate(self.folded)

    def take(self, events: list[Event], pool: ResourcePool) -> None:
        """After a command: the events that it brought, and the pool that decided."""
        before = accounts_of(self.folded)
        for event in events:
            moved = MOVES.get(type(event).__name__, _nothing)(event, self.folded, before)
            self.folded = event.mutate(self.folded)
            after = accounts_of(self.folded)
            _check_moved(event, before, moved, after)
            before = after
        if events:
            self._check_folded(pool)
            for key, held in pool.entitlements.items():
                check(key, held)

    def _check_folded(self, pool: ResourcePool) -> None:
        """The pool whose history is folded from its events is the pool that decided."""
        folded = {name: value for name, value in self.folded.fields().items() if name not in TRANSIENT}
        live = {name: value for name, value in pool.fields().items() if name not in TRANSIENT}
        assert folded == live, f"folded is not live: {[name for name in live if folded.get(name) != live[name]]}"


def accounts_of(pool: ResourcePool) -> Accounts:
    """Every account that is not empty; what contributions bear by key and provision."""
    found: Accounts = Counter()
    for key, held in pool.entitlements.items():
        if held.entitlement_type in {"quota", "credit"}:
            for name in ACCOUNTS:
                found[key, name] = getattr(held, name)
            for bucket in held.buckets:
                found[_included(key, bucket.provision_id)] += bucket.consumed
    return _not_empty(found)


def _included(key: str, provision_id: str) -> tuple[str, str]:
    """Events say "" of a default and of an override alike: both stand on one account."""
    return (key, f"included by {provision_id}") if provision_id else (key, "admitted")


def _not_empty(accounts: Accounts) -> Accounts:
    return Counter({account: number for account, number in accounts.items() if number})


def _check_moved(event: Event, before: Accounts, moved: Accounts, after: Accounts) -> None:
    """Nothing moves but what the event says; who bears what may change hands where contributions are stated anew."""
    expected = Counter(before)
    for account, number in moved.items():
        expected[account] += number
    expected, name = _not_empty(expected), type(event).__name__
    if name == "EntitlementsChanged":
        expected, after = _by_key(expected), _by_key(after)
    if expected != after:
        differ = {a: (expected[a], after[a]) for a in expected.keys() | after.keys() if expected[a] != after[a]}
        raise AssertionError(f"sums: {name} moves otherwise than it says (account: expected, found): {differ}")


def _by_key(accounts: Accounts) -> Accounts:
    found: Accounts = Counter()
    for (key, name), number in accounts.items():
        found[key, "included" if name.startswith("included by ") or name == "admitted" else name] += number
    return _not_empty(found)


def check(key: str, held: Entitlement) -> None:
    """The sums of one key, and no account below zero."""
    if held.entitlement_type not in {"quota", "credit"}:
        return
    included = sum(bucket.consumed for bucket in held.buckets)
    borne = included + held.admitted + held.elsewhere + held.owed + held.forgiven
    assert borne == held.consumed, (
        f"sums: {key}: consumed {held.consumed}, borne {borne}: included {included}, admitted {held.admitted}, "
        f"elsewhere {held.elsewhere}, owed {held.owed}"
    )
    assert min(held.consumed, held.admitted, held.elsewhere, held.reserved, held.owed, held.forgiven) >= 0, (
        f"sums: {key} is below zero"
    )
    assert all(debt.quantity >= 0 for debt in held.debts), f"sums: {key} owes less than nothing"
    for bucket in held.buckets:
        assert bucket.consumed >= bucket.earlier >= 0 <= bucket.carried, f"sums: {key}: {bucket} is below zero"
    for closed in held.closed.values():
        assert min(closed.consumed, closed.elsewhere, closed.overage) >= 0, (
            f"sums: closed period of {key} is below zero: {closed}"
        )
        assert all(min(rest.consumed, rest.carried) >= 0 for rest in closed.rests), f"sums: {key}: {closed.rests}"
    if held.stacking == "sum" and held.value is not None and not held.value.override_id:
        left = sum(bucket.left for bucket in held.buckets if not bucket.kept)
        assert max(0, left - held.reserved) == held.included_left or left >= 2**60, (
            f"sums: {key}: rests add up to {left}, {held.reserved} are reserved, {held.included_left} remain"
        )


# --- What events say that they move ----------------------------------------------------------------------------------------


def _nothing(event: Any, pool: ResourcePool, before: Accounts) -> Accounts:
    return Counter()


def _recorded(event: Any, pool: ResourcePool, before: Accounts) -> Accounts:
    moved: Accounts = Counter()
    for line in event.lines:
        key, details, overage = line["resource_key"], line["details"], line["overage"]
        if pool.entitlements[key].entitlement_type not in {"quota", "credit"}:
            continue
        if line["late"]:
            if (
                details is not None
                and details["counted_in"]
                and overage
                and _preserves(pool, key, details["counted_in"])
            ):
                moved[key, "consumed"] += overage
                moved[key, "owed"] += overage
            continue
        moved[key, "consumed"] += line["quantity"]
        if details is not None and details["parts"]:
            _parts(moved, key, details["parts"], pool)
        else:
            moved[_bearer(pool, key, line["provision_id"])] += line["quantity"] - overage
            moved[key, "owed"] += overage
    return moved


def _preserves(pool: ResourcePool, key: str, start_ms: int) -> bool:
    """Whether a closed period's overage was preserved; one in which nothing was used goes by what the key says."""
    closed = pool.entitlements[key].closed.get(start_ms)
    return pool.entitlements[key].preserves if closed is None else closed.preserves


def _bearer(pool: ResourcePool, key: str, provision_id: str) -> tuple[str, str]:
    """The account of an included part: what no contribution bears is admitted."""
    is_there = any(bucket.provision_id == provision_id for bucket in pool.entitlements[key].buckets)
    return _included(key, provision_id if is_there else "")


def _parts(moved: Accounts, key: str, parts: list[Any], pool: ResourcePool) -> None:
    for part in parts:
        if part["bearer"] == "included":
            moved[_bearer(pool, key, part["provision_id"])] += part["quantity"]
        elif part["bearer"] == "overage" and part["paid"]:
            moved[_included(key, part["provision_id"])] += part["quantity"]  # It had paid what is taken back.
        elif part["bearer"] == "overage":
            moved[key, "owed"] += part["quantity"]
        else:
            moved[key, "elsewhere"] += part["quantity"]
            _credits(moved, part, pool)


def _credits(moved: Accounts, part: Any, pool: ResourcePool) -> None:
    if part["bearer"] == "credit" and not part["lapsed"]:
        moved[part["credit_key"], "consumed"] += part["charge"]
        moved[_bearer(pool, part["credit_key"], part["provision_id"])] += part["charge"]


def _corrected(event: Any, pool: ResourcePool, before: Accounts) -> Accounts:
    moved, key = Counter[tuple[str, str]](), event.resource_key
    if not event.counted_in:
        moved[key, "consumed"] += event.adjustment
        _parts(moved, key, event.parts, pool)
        # Of what was forgiven nothing is owed already, and debts of before are no usage of this period.
        more = min(0, before[key, "owed"] + moved[key, "owed"] - event.total["owed"])
        moved[key, "owed"] -= more
        moved[key, "forgiven"] += more
        return moved
    for part in event.parts:
        _credits(moved, part, pool)
        if part["bearer"] == "overage" and part["quantity"] > 0 and _preserves(pool, key, event.counted_in):
            moved[key, "consumed"] += part["quantity"]
            moved[key, "owed"] += part["quantity"]
    for part in event.present:
        moved[key, "consumed"] += part["quantity"]
    _parts(moved, key, event.present, pool)
    return moved


def _paid(event: Any, pool: ResourcePool, before: Accounts) -> Accounts:
    moved, key = Counter[tuple[str, str]](), event.resource_key
    for part in event.parts:
        moved[_included(key, part.provision_id)] += part.quantity
        moved[key, "owed"] -= part.quantity
    return moved


def _forgiven(event: Any, pool: ResourcePool, before: Accounts) -> Accounts:
    key, preserved = event.resource_key, min(event.quantity, pool.entitlements[event.resource_key].preserved)
    return Counter({
        (key, "owed"): -event.quantity, (key, "consumed"): -preserved, (key, "forgiven"): event.quantity - preserved
    })  # fmt: skip


def _reset(event: Any, pool: ResourcePool, before: Accounts) -> Accounts:
    """Debt before = forgiven + debt after; the next period begins with nothing but that."""
    key, owed = event.resource_key, sum(debt.quantity for debt in event.owed)
    assert before[key, "owed"] == event.forgiven + owed, f"sums: {key}: a reset owes otherwise than before: {event}"
    moved: Accounts = Counter({account: -number for account, number in before.items() if account[0] == key})
    moved[key, "consumed"] += owed
    moved[key, "owed"] += owed
    _check_rests(event, pool)
    return moved


def _check_rests(event: Any, pool: ResourcePool) -> None:
    """What is carried over is somebody's own rest, or the least that its rule gives."""
    lefts = {
        bucket.provision_id: bucket for bucket in pool.entitlements[event.resource_key].buckets if not bucket.is_gone
    }
    for stated in event.contributions:
        assert stated.provision_id in lefts, f"sums: {stated} is carried over and was not there"
        assert stated.consumed == 0 <= stated.carried, f"sums: {stated} begins with something consumed"


def _changed(event: Any, pool: ResourcePool, before: Accounts) -> Accounts:
    """A key that gets another period counts anew, with what is owed."""
    moved: Accounts = Counter()
    for change in event.changes:
        held = pool.entitlements.get(change.resource_key)
        if held is not None and change.after is not None and change.after.period != held.period:
            moved.update({account: -number for account, number in before.items() if account[0] == change.resource_key})
            moved[change.resource_key, "consumed"] += before[change.resource_key, "owed"]
            moved[change.resource_key, "owed"] += before[change.resource_key, "owed"]
    return moved


MOVES = {
    "UsageRecorded": _recorded, "UsageCorrected": _corrected, "OveragePaid": _paid, "OverageForgiven": _forgiven,
    "QuotaReset": _reset, "EntitlementsChanged": _changed,
}  # fmt: skip
