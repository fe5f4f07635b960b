"""To whom taken-back usage returns: pure questions to the state, answered as the parts of a correction.

Whoever bore it gets it back, the last that was drawn first. Where that one does not bear it any more (a successor took the
consumption over, a correction took it down) the successor gets it, then whoever burns last, so that nobody's count goes below
zero and the counts still add up to the total.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from entitlements.domain.buckets import Bucket, ClosedPeriod
from entitlements.domain.cover import payer_of
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pool_parts import RememberedLine, RememberedPart, last_first
from entitlements.domain.pools import ResourcePool
from entitlements.domain.ranking import heir_of, in_burn_order, return_order
from entitlements.domain.values import Bearer, Share, UsagePart, admitted_part, part_of


def returned_parts(
    pool: ResourcePool, known: RememberedLine, quantity: int, closed: ClosedPeriod | None, now_ms: int
) -> list[UsagePart]:
    """The parts of a remembered line that return: negative; of a charge its share, all of it with the last unit."""
    entitlement, of_closed = pool.entitlements[known.body[0]], list[tuple[str | None, int]]()
    borne = {entitlement.resource_key: _Borne(pool, entitlement)}
    parts: list[UsagePart] = []
    for part, taken, charge in last_first(known.parts, quantity):
        if not taken and not charge:
            continue
        if part.bearer == "credit":
            if part.credit_key not in borne:
                borne[part.credit_key] = _Borne(pool, pool.entitlements[part.credit_key])
            parts += _credits_back(borne[part.credit_key], known, part, taken, charge, now_ms)
        elif part.bearer == "on_demand":
            on_demand = pool.on_demand[entitlement.resource_key]
            back = part_of("on_demand", "", -taken, payer=part.payer, charge=-charge)
            parts.append(back | {"repriced": known.turn < on_demand.priced_since})
        elif closed is not None:
            of_closed.append((part.borne_by, taken))
        else:
            parts += _included_back(borne[entitlement.resource_key], known, part, taken)
    if closed is not None:
        parts += closed_parts_back(pool, closed, of_closed, known.turn)
    rated_since = entitlement.rated_since
    return [p | {"repriced": known.turn < rated_since} if p["bearer"] == "credit" else p for p in parts]


def parts_corrected_down(pool: ResourcePool, entitlement: Entitlement, quantity: int) -> list[UsagePart]:
    """Who gets back what no single line is named for: overage first, then whoever burns last."""
    found = _Borne(pool, entitlement).back("overage", None, quantity, pool.turn)
    return [account.part(share) for account, share in found]


def closed_parts_back(
    pool: ResourcePool, closed: ClosedPeriod, taken: Iterable[tuple[str | None, int]], turn: int
) -> list[UsagePart]:
    """Of a closed period its overage is paid first, whatever became of that; the rest returns to whoever bore it, else to whoever burned
    last. taken: who bore how much, None: nobody in particular; turn: when it was recorded.
    """
    shares, overage, admitted = dict[str, int](), 0, 0
    consumed = {rest.provision_id: rest.consumed for rest in closed.rests}
    for provision_id, quantity in taken:
        paid = min(quantity, closed.overage - overage)
        overage, left = overage + paid, quantity - paid
        if provision_id is None:  # Of nobody in particular: an override burns last.
            by_override = min(left, closed.admitted - admitted)
            admitted, left = admitted + by_override, left - by_override
        for name in return_order(pool, consumed, provision_id):
            share = min(left, consumed.get(name, 0))
            if share:
                consumed[name] -= share
                shares[name] = shares.get(name, 0) + share
                left -= share
        admitted += left
    parts = [part_of("overage", "", -overage)] if overage else []
    parts += [admitted_part("included", -admitted)] if admitted else []
    for name, share in shares.items():
        rest = closed.rest_of(name)
        assert rest is not None, "who bore something has a rest"
        # What was consumed before it came anew would have lapsed then.
        before = rest.consumed - rest.recent
        recent = max(0, share - before) if turn < rest.recurred_since else min(share, max(0, rest.recent))
        for quantity, has_lapsed in ((recent, False), (share - recent, True)):
            if quantity:
                part = part_of("included", name, -quantity, payer=payer_of(pool, name))
                parts.append(part | {"lapsed": has_lapsed})
    return parts


def what_comes_back(
    pool: ResourcePool, entitlement: Entitlement, closed: ClosedPeriod, parts: list[UsagePart], now_ms: int
) -> tuple[list[UsagePart], list[Share]]:
    """What a correction of a closed period changes in the one under way: preserved overage that is not owed, or was paid for nothing;
    and what more is carried over, if that period followed directly.
    """
    overage = -sum(part["quantity"] for part in parts if part["bearer"] == "overage")
    present: list[UsagePart] = []
    if closed.preserves and overage > 0:
        present = _preserved_back(pool, entitlement, closed, overage)
    follows = entitlement.period_at(now_ms)[0] == closed.end_ms
    raised = []
    for part in parts if follows else []:
        rest = closed.rest_of(part["provision_id"]) if part["bearer"] == "included" and not part["admitted"] else None
        heir = heir_of(pool, entitlement, closed, part["provision_id"])
        if rest is None or heir is None or part["lapsed"] or _came_anew(entitlement, heir, now_ms):
            continue
        more = replace(rest, left=rest.left - part["quantity"]).carries - rest.carried
        if more > 0 and part["quantity"] < 0:
            raised.append(Share(provision_id=rest.provision_id, quantity=more))
    return present, raised


def _came_anew(entitlement: Entitlement, bucket: Bucket, now_ms: int) -> bool:
    """Whether a contribution has come anew in the period under way, also where that changed nothing."""
    if bucket.recurs is None:
        return False
    start_ms = entitlement.period_at(now_ms)[0]
    return bool(bucket.recurred_since) or entitlement.recurrence_at(bucket.recurs, now_ms)[0] > start_ms


def _preserved_back(
    pool: ResourcePool, entitlement: Entitlement, closed: ClosedPeriod, overage: int
) -> list[UsagePart]:
    parts: list[UsagePart] = []
    debt = next((debt for debt in entitlement.debts if debt.until_ms == closed.owed_until_ms), None)
    if debt is None:
        return parts
    owed = min(overage, debt.quantity)
    if owed:
        parts.append(part_of("overage", "", -owed))
    paid = min(overage - owed, debt.paid)
    for bucket in reversed(_in_order(pool, entitlement)):
        for has_paid, has_lapsed in ((bucket.paid_preserved, False), (bucket.paid_preserved_earlier, True)):
            share = min(paid, has_paid)
            if share:
                back = part_of("overage", bucket.provision_id, -share)
                parts.append(back | {"paid": True, "lapsed": has_lapsed})
                paid -= share
    return parts


def _in_order(pool: ResourcePool, entitlement: Entitlement) -> list[Bucket]:
    """Who bears a key, in burn order. Where contributions do not add up they stay as they stand: the first bears all."""
    return in_burn_order(pool, entitlement.buckets) if entitlement.stacking == "sum" else entitlement.buckets


def _included_back(borne: _Borne, known: RememberedLine, part: RememberedPart, taken: int) -> Iterator[UsagePart]:
    for account, share in borne.back(part.bearer, part.borne_by, taken, known.turn):
        yield account.part(share, part.payer if account.provision_id == part.provision_id else "")


def _credits_back(
    borne: _Borne, known: RememberedLine, part: RememberedPart, taken: int, units: int, now_ms: int
) -> Iterator[UsagePart]:
    """Units return to the balance while its period lasts; the quantity is said with the first of those who get them."""
    if borne.entitlement.is_under_way(known.turn, now_ms):
        for account, share in borne.back("included", part.provision_id, units, known.turn):
            payer = part.payer if account.provision_id == part.provision_id else ""
            yield part_of(
                "credit", account.provision_id, -taken, payer=payer, charge=-share, credit_key=part.credit_key
            )
            units, taken = units - share, 0
    if units or taken:
        back = part_of("credit", part.provision_id, -taken, payer=part.payer, charge=-units, credit_key=part.credit_key)
        yield back | {"lapsed": True}


@dataclass(slots=True)
class _Account:
    """What can still return from one place, in the smallest unit, and how a part says so."""

    quantity: int
    bearer: Bearer
    provision_id: str = ""
    has_lapsed: bool = False
    was_paid: bool = False
    was_admitted: bool = False

    def part(self, quantity: int, payer: str = "") -> UsagePart:
        """So much of it as a part that returns."""
        part = part_of(self.bearer, self.provision_id, -quantity, payer=payer)
        return part | {"lapsed": self.has_lapsed, "paid": self.was_paid, "admitted": self.was_admitted}


class _Borne:
    """What each contribution of a key bears, less what the parts gathered so far give back."""

    def __init__(self, pool: ResourcePool, entitlement: Entitlement) -> None:
        self.pool, self.entitlement = pool, entitlement
        buckets = {bucket.provision_id: bucket for bucket in _in_order(pool, entitlement)}
        self.recurred_since = {name: bucket.recurred_since for name, bucket in buckets.items()}
        #: Overage that they paid, since they last came anew and before that.
        self.paid = [
            _Account(quantity, "overage", name, has_lapsed=has_lapsed, was_paid=True)
            for name, bucket in reversed(buckets.items())
            for quantity, has_lapsed in ((bucket.paid, False), (bucket.paid_earlier, True))
        ]
        #: And what else was consumed of them.
        self.recent, self.earlier = dict[str, _Account](), dict[str, _Account]()
        for name, b in buckets.items():
            recent, earlier = b.consumed - b.earlier - b.paid - b.paid_preserved, b.earlier - b.paid_earlier
            self.recent[name] = _Account(max(0, recent), "included", name)
            lapsed = max(0, earlier - b.paid_preserved_earlier)
            self.earlier[name] = _Account(lapsed, "included", name, has_lapsed=True)
        #: What is owed, or was and is forgiven; and what an override admitted.
        owed = entitlement.owed - entitlement.preserved
        self.owed, self.forgiven = _Account(owed, "overage"), _Account(entitlement.forgiven, "overage")
        self.admitted = _Account(entitlement.admitted, "included", was_admitted=True)

    def back(
        self, bearer: Bearer, provision_id: str | None, quantity: int, turn: int
    ) -> Iterator[tuple[_Account, int]]:
        """From where comes back what was recorded at a turn, and how much."""
        for account in self._accounts(bearer, provision_id, turn):
            share = min(quantity, account.quantity)
            account.quantity -= share
            quantity -= share
            if share:
                yield account, share

    def _accounts(self, bearer: Bearer, provision_id: str | None, turn: int) -> Iterator[_Account]:
        """In order: overage from what is owed, then from who paid it, the last in burn order first; then as it was borne."""
        if bearer == "overage":
            yield self.owed
            yield from self.paid
            yield self.forgiven
        if provision_id is None:
            yield self.admitted
        for name in return_order(self.pool, self.recent, provision_id):
            slices = [self.recent[name], self.earlier[name]]
            # What was consumed before it came anew would have lapsed then: it returns to nobody.
            yield from slices if turn >= self.recurred_since[name] else reversed(slices)
        yield self.admitted
        yield self.owed
        yield from self.paid
        yield self.forgiven
