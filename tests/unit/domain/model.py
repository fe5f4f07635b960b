"""What a pool must be after its events, worked out the slow and obvious way: the oracle of the generated histories.

Nothing here is shared with the rules but the classes of events and values. Periods are texts of the calendar, consumption is
the sum over all lines ever recorded, effective values are stacked anew at every look.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from entitlements.domain import pool_events as facts
from entitlements.domain.aggregate import Event
from entitlements.domain.metering_events import OveragePaid
from entitlements.domain.pools import ResourcePool, parts_of
from entitlements.domain.values import Contribution, EffectiveValue, RecordedLine, Rule

NEVER = datetime.max.replace(tzinfo=UTC)


def at(ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)


def calendar(period: str | None, instant: datetime) -> str:
    """The name of the period of an instant: names of the same kind sort by time."""
    names = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m", None: ""}
    return instant.strftime(names[period])


def end_of(period: str, instant: datetime) -> datetime:
    hour = instant.replace(minute=0, second=0, microsecond=0)
    if period == "hour":
        return hour + timedelta(hours=1)
    day = hour.replace(hour=0)
    return day + timedelta(days=1) if period == "day" else (day.replace(day=1) + timedelta(days=32)).replace(day=1)


@dataclass
class Held:
    """One key of the pool."""

    value: EffectiveValue | None = None
    kind: str = ""
    period: str | None = None
    used: list[tuple[datetime, int]] = field(default_factory=list)
    touched: datetime | None = None
    told: set[tuple[str, str]] = field(default_factory=set)
    #: Who bears how much of what is consumed in the period, and who contributed after the last change, in burn order.
    borne: dict[str, int] = field(default_factory=dict)
    listed: list[str] = field(default_factory=list)
    counted: set[str] = field(default_factory=set)
    limits: dict[str, int | None] = field(default_factory=dict)
    stacking: str = ""
    #: Overage that nobody has paid.
    owed: int = 0

    def consumed(self, now: datetime) -> int:
        """Consumed in the period of an instant, or held."""
        return sum(
            quantity for when, quantity in self.used if calendar(self.period, when) == calendar(self.period, now)
        )


class Model:
    """Takes the events of one pool, checks each against all before it, and knows what must be so after it."""

    def __init__(self, opened: Event) -> None:
        assert isinstance(opened, facts.PoolOpened)
        self.version, self.now = 1, opened.timestamp
        self.status, self.closed_at = "open", NEVER
        self.scheduled: dict[str, facts.ProvisionScheduled] = {}
        self.ends: dict[str, datetime] = {}
        self.ended: dict[str, datetime] = {}
        self.statuses: dict[str, str] = {}
        self.keys: defaultdict[str, Held] = defaultdict(Held)
        self.met: set[tuple[str, str]] = set()

    # --- What must be so ---------------------------------------------------------------------------------------------

    def active(self) -> list[facts.ProvisionScheduled]:
        """The provisions that contribute, oldest first."""
        return [
            p for p in self.scheduled.values() if self.status == "open" and self.statuses[p.provision_id] == "active"
        ]

    def contributions(self, key: str) -> list[tuple[Rule | None, Contribution]]:
        """Of active provisions in burn order, then what was consumed of those that left the sum in this period."""
        found = [
            (self._burns_at(provision), rule, self._contribution(provision, rule, key))
            for provision in self.active()
            for rule in provision.rules
            if rule.resource_key == key
        ]
        if found and found[0][1].rule_type != "boolean":  # Nothing burns: the oldest first.
            found.sort(key=lambda one: one[0])
        stacked: list[tuple[Rule | None, Contribution]] = [(rule, contribution) for _, rule, contribution in found]
        held = self.keys[key]
        rule = stacked[0][0] if stacked else None
        is_quota = rule.rule_type == "quota" if rule is not None else held.kind == "quota"
        if not is_quota:
            if rule is not None and rule.stacking == "max":
                winner = max(stacked, key=lambda one: (one[1].limit is None, one[1].limit or 0))
                return [winner, *(one for one in stacked if one is not winner)]
            return stacked
        if rule is not None and rule.stacking == "max":
            winner = max(stacked, key=lambda one: (one[1].limit is None, one[1].limit or 0))
            counted = sum(held.borne.values()) if rule.period == held.period else 0
            others = [(r, replace(c, consumed=0)) for r, c in stacked if (r, c) != winner]
            return [(winner[0], replace(winner[1], consumed=counted)), *others]
        if rule is not None and rule.period != held.period:
            return stacked
        if held.stacking == "max":
            return [(None, self._kept(key, name)) for name in held.listed[:1] if held.borne.get(name)]
        present = {contribution.provision_id for _, contribution in stacked}
        absent = [n for n in dict.fromkeys((*held.listed, *held.borne)) if n not in present and held.borne.get(n)]
        absent.sort(key=lambda name: not self._is_paused(name))
        paused = [name for name in self.scheduled if name in absent and self._is_paused(name)]
        paused.sort(key=lambda name: self._burns_at(self.scheduled[name]))
        gone = [name for name in absent if not self._is_paused(name)]
        return stacked + [(None, self._kept(key, name)) for name in (*paused, *gone)]

    def _is_paused(self, name: str) -> bool:
        """Suspended, itself or with its pool: it goes on in silence."""
        return self.status != "closed" and self.statuses[name] in {"active", "suspended"}

    def _kept(self, key: str, name: str) -> Contribution:
        held = self.keys[key]
        borne, limit = held.borne[name], held.limits.get(name)
        if self._is_paused(name):
            rules = [r for r in self.scheduled[name].rules if r.resource_key == key]
            limit = self._contribution(self.scheduled[name], rules[0], key).limit
        return Contribution(
            provision_id=name,
            limit=borne if limit is None else min(borne, limit),
            soft_limit=None,
            hard_limit=None,
            consumed=borne,
            kept=True,
            paused=held.stacking == "sum" and self._is_paused(name),
        )

    def may_owe(self, key: str) -> int | None:
        """How much more overage strict usage may incur; None: no end."""
        held = self.keys[key]
        if held.value is None or held.value.hard_limit is None or held.value.limit is None:
            return None
        return max(0, held.value.hard_limit - held.value.limit - held.owed)

    def left(self, key: str) -> int | None:
        """What contributions still include; None: no end."""
        stacked = [c for rule, c in self.contributions(key) if rule is not None]
        if stacked and self.keys[key].stacking == "max":
            stacked = stacked[:1]
        if any(c.limit is None for c in stacked):
            return None
        return sum(max(0, (c.limit or 0) - c.consumed) for c in stacked)

    def _burns_at(self, provision: facts.ProvisionScheduled) -> tuple[int, datetime]:
        return provision.priority, self.ends.get(provision.provision_id, NEVER)

    def _contribution(self, provision: facts.ProvisionScheduled, rule: Rule, key: str) -> Contribution:
        times = provision.quantity if rule.per_unit else 1
        limit, soft, hard = (
            None if amount is None else amount * times for amount in (rule.amount, rule.soft_limit, rule.hard_limit)
        )
        borne = self.keys[key].borne.get(provision.provision_id, 0) if rule.rule_type == "quota" else 0
        name = provision.provision_id
        return Contribution(provision_id=name, limit=limit, soft_limit=soft, hard_limit=hard, consumed=borne)

    def effective(self, key: str) -> EffectiveValue | None:
        stacked = self.contributions(key)
        rule = stacked[0][0] if stacked else None
        if rule is None:
            return None
        of = [contribution for _, contribution in stacked]
        if rule.stacking == "any":
            return EffectiveValue(limit=None, soft_limit=None, hard_limit=None, period=None)

        def combined(amounts: Sequence[int | None]) -> int | None:
            numbers = [amount for amount in amounts if amount is not None]
            if len(numbers) < len(amounts):
                return None
            return sum(numbers) if rule.stacking == "sum" else max(numbers)

        soft = [c.limit if c.soft_limit is None else c.soft_limit for c in of]
        return EffectiveValue(
            limit=combined([c.limit for c in of]),
            soft_limit=combined(soft) if any(c.soft_limit is not None for c in of) else None,
            hard_limit=combined([c.limit if c.hard_limit is None else c.hard_limit for c in of]),
            period=rule.period,
        )

    def bearers(self, key: str, quantity: int) -> list[tuple[str, int]]:
        """Who bears an included quantity: in burn order whoever has something left, the last whatever is left over."""
        stacked = self.contributions(key)
        if stacked and stacked[0][0] is not None and stacked[0][0].stacking == "max":
            stacked = stacked[:1]
        found = []
        for at, (_, contribution) in enumerate(stacked):
            borne = self.keys[key].borne.get(contribution.provision_id, 0)
            left = quantity if contribution.limit is None else max(0, contribution.limit - borne)
            part = quantity if at == len(stacked) - 1 else min(left, quantity)
            if part:
                found.append((contribution.provision_id, part))
            quantity -= part
        return found

    def _take_over(self, key: str) -> None:
        """A successor has the consumption of whom it follows: on the same ladder, or a subscription of the same set."""
        held = self.keys[key]
        in_force = {p.provision_id for p in self.active()}
        here = [p for p in self.scheduled.values() if self._is_paused(p.provision_id)]
        here = [p for p in here if any(r.resource_key == key and r.period == held.period for r in p.rules)]
        active = {p.provision_id: p for p in sorted(here, key=lambda p: p.provision_id not in in_force)}
        for name in list(held.listed):
            gone = self.scheduled[name]
            if name in active or self.statuses[name] != "ended" or not held.borne.get(name):
                continue
            for newcomer in active.values():
                was_there = max(newcomer.starts_at, newcomer.timestamp) < self.ended[name]
                if newcomer.provision_id in held.counted or was_there:
                    continue
                if gone.ladder is not None or newcomer.ladder is not None:
                    follows = gone.ladder == newcomer.ladder
                else:
                    follows = gone.source == newcomer.source == "subscription" and gone.set_id == newcomer.set_id
                if follows:
                    held.borne[newcomer.provision_id] = held.borne.get(newcomer.provision_id, 0) + held.borne.pop(name)
                    break

    def due(self) -> datetime:
        if self.status == "closed":
            return NEVER
        starts = [p.starts_at for p in self.scheduled.values() if self.statuses[p.provision_id] == "scheduled"]
        ends = [ends_at for name, ends_at in self.ends.items() if self.statuses[name] in {"active", "suspended"}]
        resets = [
            end_of(held.period, held.touched)
            for held in self.keys.values()
            if held.touched is not None and held.kind == "quota" and held.period is not None
        ]
        return min([*starts, *ends, *resets], default=NEVER)

    def check(self, pool: ResourcePool) -> None:
        """After a command: the pool is what the events make of it."""
        # What a closed pool had counted stands for ever.
        clock = min(at(pool.clock_ms), self.closed_at)
        for key, held in self.keys.items():
            assert held.value == self.effective(key) == pool.entitlements[key].value
            assert pool.entitlements[key].consumed == held.consumed(clock), key
            if held.kind == "quota":
                borne = {bucket.provision_id: bucket.consumed for bucket in pool.entitlements[key].buckets}
                assert {name: count for name, count in borne.items() if count} == {
                    name: count for name, count in held.borne.items() if count and name in borne
                }
        due = self.due()
        assert min(at(min(pool.due_ms, 10**14)), NEVER) == due if due < NEVER else pool.due_ms >= 2**62
        assert pool.status == self.status
        assert {name: p.status for name, p in pool.provisions.items()} == self.statuses
        for key, what in self.met:
            held = self.keys[key]
            if held.kind == "quota":
                assert (what, calendar(held.period, at(pool.clock_ms))) in held.told, (
                    f"nobody was told that {key} is {what}"
                )
        self.met.clear()
        self._check_ladders()

    def _check_ladders(self) -> None:
        living = [
            p for p in self.scheduled.values() if p.ladder is not None and self.statuses[p.provision_id] != "ended"
        ]
        for one in living:
            for other in living:
                if one is not other and one.ladder == other.ladder:
                    assert {self.statuses[one.provision_id], self.statuses[other.provision_id]} != {"active"}
                    end = self.ends.get(one.provision_id, NEVER)
                    other_end = self.ends.get(other.provision_id, NEVER)
                    assert end <= other.starts_at or other_end <= one.starts_at

    # --- What happens ------------------------------------------------------------------------------------------------

    def take(self, event: Event) -> None:
        """Check an event against what was before, then take it down."""
        self.version += 1
        assert event.originator_version == self.version
        assert event.timestamp >= self.now, "time went back"
        self.now = event.timestamp
        name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(event).__name__).lower()
        handler = getattr(self, f"_{name}", None)
        if handler is not None:
            handler(event)

    def _pool_suspended(self, _: facts.PoolSuspended) -> None:
        self.status = "suspended"

    def _pool_resumed(self, _: facts.PoolResumed) -> None:
        self.status = "open"

    def _pool_closed(self, event: facts.PoolClosed) -> None:
        assert set(self.statuses.values()) <= {"ended"}
        self.status, self.closed_at = "closed", event.timestamp

    def _provision_scheduled(self, event: facts.ProvisionScheduled) -> None:
        assert event.provision_id not in self.scheduled
        assert event.ends_at is None or event.ends_at > max(event.starts_at, event.timestamp)
        self.scheduled[event.provision_id], self.statuses[event.provision_id] = event, "scheduled"
        if event.ends_at is not None:
            self.ends[event.provision_id] = event.ends_at

    def _provision_started(self, event: facts.ProvisionStarted) -> None:
        scheduled = self.scheduled[event.provision_id]
        assert event.timestamp == max(scheduled.starts_at, scheduled.timestamp), "it did not start when it was due"
        assert self.statuses[event.provision_id] == "scheduled"
        self.statuses[event.provision_id] = "active"

    def _provision_suspended(self, event: facts.ProvisionSuspended) -> None:
        assert self.statuses[event.provision_id] == "active"
        self.statuses[event.provision_id] = "suspended"

    def _provision_resumed(self, event: facts.ProvisionResumed) -> None:
        assert self.statuses[event.provision_id] == "suspended"
        self.statuses[event.provision_id] = "active"

    def _provision_end_scheduled(self, event: facts.ProvisionEndScheduled) -> None:
        assert event.timestamp < event.ends_at != self.ends.get(event.provision_id)
        self.ends[event.provision_id] = event.ends_at

    def _provision_end_withdrawn(self, event: facts.ProvisionEndWithdrawn) -> None:
        assert event.ends_at is None or event.ends_at > self.ends[event.provision_id] > event.timestamp
        del self.ends[event.provision_id]
        if event.ends_at is not None:
            self.ends[event.provision_id] = event.ends_at

    def _provision_ended(self, event: facts.ProvisionEnded) -> None:
        assert self.statuses[event.provision_id] != "ended"
        if event.reason == "expired":
            assert event.timestamp == self.ends[event.provision_id], "it did not end when it was due"
        self.statuses[event.provision_id] = "ended"
        self.ended[event.provision_id] = event.timestamp

    def _entitlements_changed(self, event: facts.EntitlementsChanged) -> None:
        keys = [change.resource_key for change in event.changes]
        assert keys == sorted(set(keys))
        for change in event.changes:
            held = self.keys[change.resource_key]
            assert change.before == held.value
            held.stacking = held.stacking or change.stacking
            if change.after is not None and (change.after.period != held.period or change.stacking == "max"):
                if change.after.period != held.period:
                    held.borne.clear()
                    held.owed = 0
            else:
                self._take_over(change.resource_key)
            held.kind, held.stacking = change.entitlement_type, change.stacking
            assert change.after == self.effective(change.resource_key)
            expected = [c for _, c in self.contributions(change.resource_key)]
            if change.entitlement_type == "limit":
                assert [replace(c, consumed=0) for c in change.contributions] == expected
            else:
                assert change.contributions == expected
            held.value = change.after
            held.listed = [c.provision_id for c in expected]
            held.counted = {c.provision_id for c in expected if not c.kept or c.paused}
            held.limits = {c.provision_id: c.limit for c in expected}
            if change.entitlement_type == "quota":
                held.borne = {c.provision_id: c.consumed for c in expected if c.consumed}
            if change.after is not None and change.after.period != held.period:
                held.period, held.used, held.touched = change.after.period, [], None
                held.told.clear()

    def _usage_recorded(self, event: facts.UsageRecorded) -> None:
        for line in event.lines:
            self._take_line(line)
        for total in event.totals:
            held = self.keys[total["resource_key"]]
            assert total["consumed"] == held.consumed(event.timestamp)
            if held.period is not None:
                assert total["period_end"] is not None
                assert at(total["period_end"]) == end_of(held.period, event.timestamp)

    def _take_line(self, line: RecordedLine) -> None:
        held, when, quantity = self.keys[line["resource_key"]], at(line["recorded_at"]), line["quantity"]
        occurred = calendar(held.period, at(line["occurred_at"]))
        assert line["late"] == (occurred < calendar(held.period, when))
        if line["late"]:
            assert (line["mode"], line["overage"]) == ("report", 0)
            return
        before, value = held.consumed(when), held.value
        if held.kind == "quota":
            left = 0 if value is None else self.left(line["resource_key"])
            overage = 0 if left is None else max(0, quantity - left)
            may_owe = self.may_owe(line["resource_key"])
        else:
            limit = 0 if value is None else value.limit
            overage = 0 if limit is None else max(0, min(quantity, before + quantity - limit))
            hard = None if value is None else value.hard_limit
            may_owe = None if hard is None or limit is None else hard - max(limit, before)
        if line["mode"] == "strict":
            assert value is not None, "strict usage of what the pool has not"
            assert may_owe is None or overage <= may_owe, "strict usage above the hard limit"
        assert line["overage"] == overage
        held.owed += overage
        parts = parts_of(line)
        assert sum(part[3] for part in parts) == quantity
        if held.kind == "quota":
            included = [(part[1], part[3]) for part in parts if part[0] == "included"]
            assert included == self.bearers(line["resource_key"], quantity - line["overage"])
            for name, part in included:
                held.borne[name] = held.borne.get(name, 0) + part
        held.used.append((when, quantity))
        held.touched = when
        if line["overage"]:
            self.met.add((line["resource_key"], "exceeded"))
        if value is not None and value.soft_limit is not None and before + quantity >= value.soft_limit:
            self.met.add((line["resource_key"], "warned"))

    def _overage_paid(self, event: OveragePaid) -> None:
        held, left = self.keys[event.resource_key], self.left(event.resource_key)
        paid = sum(share.quantity for share in event.parts)
        assert paid == (held.owed if left is None else min(held.owed, left)) > 0
        assert [(share.provision_id, share.quantity) for share in event.parts] == self.bearers(event.resource_key, paid)
        for share in event.parts:
            held.borne[share.provision_id] = held.borne.get(share.provision_id, 0) + share.quantity
        held.owed -= paid
        assert event.total["owed"] == held.owed

    def _usage_refused(self, event: facts.UsageRefused) -> None:
        for line in event.lines:
            if line["code"] != "quota_exceeded":
                assert line["remaining"] == -1
                continue
            value = self.keys[line["resource_key"]].value
            assert value is not None
            assert value.hard_limit is not None
            # Lines after it in its command may be recorded already: of what was left then, at least so much is left.
            left = max(0, value.hard_limit - self.keys[line["resource_key"]].consumed(at(line["recorded_at"])))
            if self.keys[line["resource_key"]].kind == "quota":
                left = (self.left(line["resource_key"]) or 0) + (self.may_owe(line["resource_key"]) or 0)
            assert left <= line["remaining"] < line["quantity"]
            self.met.add((line["resource_key"], "exceeded"))

    def _usage_released(self, event: facts.UsageReleased) -> None:
        held = self.keys[event.resource_key]
        held.used.append((event.timestamp, -event.quantity))
        assert event.total["consumed"] == held.consumed(event.timestamp) >= 0

    def _quota_warned(self, event: facts.QuotaWarned) -> None:
        value = self.keys[event.resource_key].value
        assert value is not None
        assert value.soft_limit == event.soft_limit <= event.consumed
        self._tell("warned", event)

    def _quota_exceeded(self, event: facts.QuotaExceeded) -> None:
        value = self.keys[event.resource_key].value
        assert event.limit == (0 if value is None else value.limit)
        self.keys[event.resource_key].touched = event.timestamp
        self._tell("exceeded", event)

    def _tell(self, what: str, event: facts.QuotaWarned | facts.QuotaExceeded) -> None:
        held = self.keys[event.resource_key]
        assert event.consumed == held.consumed(event.timestamp)
        if held.kind == "quota":
            assert held.period is not None
            assert event.period_end == end_of(held.period, event.timestamp)
            assert (what, calendar(held.period, event.timestamp)) not in held.told, (
                f"told twice that {event.resource_key} is {what}"
            )
            held.told.add((what, calendar(held.period, event.timestamp)))

    def _quota_reset(self, event: facts.QuotaReset) -> None:
        held = self.keys[event.resource_key]
        assert held.touched is not None
        assert held.period is not None
        # Before its end only because the key counts by another period from now on.
        assert event.timestamp == event.period_end <= end_of(held.period, held.touched)
        assert calendar(held.period, event.period_start) == calendar(held.period, held.touched)
        assert event.consumed == held.consumed(held.touched)
        held.touched = None
        held.owed = 0
        held.used = [(when, count) for when, count in held.used if when >= event.timestamp]
        held.borne.clear()
