"""Who bears a quantity: what is included first, then credits, then an on-demand payer; what is left is overage (DESIGN 5).

Pure questions: nothing is changed. The answers are taken down by events.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from entitlements.domain.buckets import UNLIMITED
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pools import OnDemand, Reservation, ResourcePool
from entitlements.domain.values import QUANTITY_MAX, UsagePart, part_of


@dataclass(slots=True)
class Cover:
    """The parts of a quantity, in the order in which they are drawn, and what nobody bears."""

    parts: list[UsagePart] = field(default_factory=list)
    included: int = 0
    credit_units: int = 0
    charge: int = 0
    overage: int = 0

    @property
    def is_simple(self) -> bool:
        """Whether one contribution bears all but the overage: then the parts need not be said."""
        return (
            not self.credit_units and len(self.parts) <= 1 and (not self.parts or self.parts[0]["bearer"] == "included")
        )


def cover(pool: ResourcePool, entitlement: Entitlement, quantity: int, *, alone: bool = False) -> Cover:
    """Split a quantity among those who bear it now.

    alone: what it costs is rounded by itself, not over the sum of the period, as reservations hold it: so whatever is used in
    between, they hold enough.
    """
    found = Cover()
    found.included = min(quantity, entitlement.included_left)
    _bear(pool, entitlement, found, quantity, alone=alone)
    return found


def cover_of_reserved(pool: ResourcePool, entitlement: Entitlement, quantity: int, held: Reservation) -> Cover:
    """As `cover`, by what a reservation holds and what is free beside it.

    What was included when it was reserved is included while contributions have room: overage that others reported meanwhile is
    theirs.
    """
    found = Cover()
    free = max(0, entitlement.limit - entitlement.charged - entitlement.reserved + held.charged)
    found.included = min(quantity, max(free, min(held.included, _room(entitlement))))
    _bear(pool, entitlement, found, quantity, held=held)
    return found


def _bear(
    pool: ResourcePool,
    entitlement: Entitlement,
    found: Cover,
    quantity: int,
    *,
    alone: bool = False,
    held: Reservation | None = None,
) -> None:
    _include(pool, entitlement, found)
    left = quantity - found.included
    if left:
        units = held.credit_units if held is not None and held.credit_key else 0
        left -= _draw_on_credits(pool, entitlement, left, found, alone=alone, freed=units)
    if left:
        freed = held.spending if held is not None else 0
        left -= _draw_on_demand(pool, entitlement, left, found, alone=alone, freed=freed)
    found.overage = left
    if left and found.parts:
        found.parts.append(part_of("overage", "", left))


@dataclass(frozen=True, slots=True)
class Left:
    """How much strict usage could have now, by who would bear it, in the smallest unit; UNLIMITED or more: without end."""

    included: int
    by_credits: int
    on_demand: int
    #: Above what is included, up to the hard limit; nobody bears that.
    as_overage: int

    @property
    def together(self) -> int:
        """The largest quantity that strict usage could have."""
        return min(UNLIMITED, self.included + self.by_credits + self.on_demand + self.as_overage)


def what_is_left(pool: ResourcePool, entitlement: Entitlement) -> Left:
    """What strict usage of a key could have now, whoever asks: members may be narrowed beside."""
    if entitlement.value is None:
        return Left(0, 0, 0, 0)
    counted = entitlement.charged + entitlement.reserved
    on_demand = pool.on_demand.get(entitlement.resource_key)
    is_endless = on_demand is not None and on_demand.enabled and on_demand.spending_cap is None
    return Left(
        included=entitlement.included_left,
        by_credits=_affordable_by_credits(pool, entitlement),
        on_demand=UNLIMITED if is_endless else _affordable_on_demand(on_demand),
        as_overage=max(0, entitlement.hard_limit - max(entitlement.limit, counted)),
    )


def _room(entitlement: Entitlement) -> int:
    """What the contributions have that nobody has consumed."""
    if entitlement.value is not None and entitlement.value.override_id:
        return UNLIMITED
    return sum(bucket.left for bucket in entitlement.burn_order())


def affordable(pool: ResourcePool, entitlement: Entitlement) -> int:
    """The largest quantity that strict usage could have now, in the smallest unit."""
    return what_is_left(pool, entitlement).together


def fits(entitlement: Entitlement, found: Cover) -> bool:
    """Whether strict usage that is covered so is taken: nothing is left over, or that stays under the hard limit."""
    if not found.overage:
        return True
    counted = entitlement.charged + entitlement.reserved + found.included + found.overage
    return counted <= entitlement.hard_limit


def _payer(pool: ResourcePool, provision_id: str) -> str:
    provision = pool.provisions.get(provision_id)
    return (provision.billing_account_id or "") if provision is not None else ""


def _include(pool: ResourcePool, entitlement: Entitlement, found: Cover) -> None:
    left, buckets = found.included, entitlement.burn_order()
    for bucket in buckets:
        part = min(left, bucket.left) if bucket is not buckets[-1] else left
        if part:
            payer = _payer(pool, bucket.provision_id)
            found.parts.append(part_of("included", bucket.provision_id, part, payer=payer))
            left -= part
    if left:  # An override gives what nobody contributes.
        found.parts.append(part_of("included", "", left))


def _affordable_by_credits(pool: ResourcePool, entitlement: Entitlement, *, alone: bool = False, freed: int = 0) -> int:
    value = entitlement.value
    credit = pool.entitlements.get(value.credit_key) if value is not None and value.credit_key else None
    if value is None or credit is None or credit.value is None or value.credit_rate <= 0:
        return 0
    if credit.entitlement_type != "credit":
        return 0  # Something else has the name of the credits.
    # Bounded, so that no charge and no sum leaves what the ledger can hold.
    balance = min(credit.included_left + freed, QUANTITY_MAX, UNLIMITED - 1 - credit.consumed)
    units, quantity = (0, 0) if alone else (entitlement.credit_units, entitlement.credit_quantity)
    return max(0, (balance + units) * value.credit_per // value.credit_rate - quantity)


def _due(quantity: int, rate: int, per: int, paid: int) -> int:
    """What is still to be paid for a sum. Usage gives nothing back: of lines that were taken back some cost nothing by themselves."""
    return max(0, -(-quantity * rate // per) - paid)


def _draw_on_credits(
    pool: ResourcePool, entitlement: Entitlement, wanted: int, found: Cover, *, alone: bool, freed: int
) -> int:
    quantity = min(wanted, _affordable_by_credits(pool, entitlement, alone=alone, freed=freed))
    if not quantity:
        return 0
    value = entitlement.value
    assert value is not None
    assert value.credit_key is not None
    before, paid = (0, 0) if alone else (entitlement.credit_quantity, entitlement.credit_units)
    units = _due(before + quantity, value.credit_rate, value.credit_per, paid)
    found.credit_units = units
    left_units, left_quantity = units, quantity
    buckets = pool.entitlements[value.credit_key].burn_order()
    for bucket in buckets:
        charge = min(left_units, bucket.left) if bucket is not buckets[-1] else left_units
        if not charge and units:
            continue
        part = left_quantity if charge == left_units else quantity * charge // units
        payer = _payer(pool, bucket.provision_id)
        found.parts.append(
            part_of("credit", bucket.provision_id, part, payer=payer, charge=charge, credit_key=value.credit_key)
        )
        left_units, left_quantity = left_units - charge, left_quantity - part
        if not left_quantity:
            break
    if left_quantity:  # An override gives credits that nobody contributes.
        found.parts.append(part_of("credit", "", left_quantity, charge=left_units, credit_key=value.credit_key))
    return quantity


def _affordable_on_demand(on_demand: OnDemand | None, *, alone: bool = False, freed: int = 0) -> int:
    if on_demand is None or not on_demand.enabled:
        return 0
    if on_demand.unit_price <= 0:
        return UNLIMITED
    # Without a cap spending still has an end, so that no charge leaves what the ledger can hold.
    cap = QUANTITY_MAX if on_demand.spending_cap is None else on_demand.spending_cap
    charged, bought = (0, 0) if alone else (on_demand.charged, on_demand.quantity)
    money = cap - on_demand.spent - on_demand.reserved + freed + charged
    return max(0, money * on_demand.price_per // on_demand.unit_price - bought)


def _draw_on_demand(
    pool: ResourcePool, entitlement: Entitlement, wanted: int, found: Cover, *, alone: bool, freed: int
) -> int:
    on_demand = pool.on_demand.get(entitlement.resource_key)
    affordable_now = _affordable_on_demand(on_demand, alone=alone, freed=freed)
    quantity = min(wanted, affordable_now) if entitlement.value is not None else 0
    if not quantity:
        return 0
    assert on_demand is not None
    charged, bought = (0, 0) if alone else (on_demand.charged, on_demand.quantity)
    found.charge = _due(bought + quantity, on_demand.unit_price, on_demand.price_per, charged)
    payer = on_demand.payer or pool.billing_account_id or ""
    found.parts.append(part_of("on_demand", "", quantity, payer=payer, charge=found.charge))
    return quantity
