"""Who bears a quantity: what is included first, then credits, then an on-demand payer; what is left is overage (docs/architecture.md 5).

Pure questions: nothing is changed. The answers are taken down by events.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from entitlements.domain.buckets import UNLIMITED
from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pools import OnDemand, Reservation, ResourcePool
from entitlements.domain.values import QUANTITY_MAX, Bearer, UsagePart, admitted_part, part_of


@dataclass(slots=True)
class Cover:
    """The parts of a quantity, in the order in which they are drawn, and what nobody bears."""

    parts: list[UsagePart] = field(default_factory=list)
    included: int = 0
    credit_units: int = 0
    charge: int = 0
    overage: int = 0

    def borne_by(self, bearer: Bearer) -> int:
        """The quantity that one kind of bearer has of it."""
        return sum(part["quantity"] for part in self.parts if part["bearer"] == bearer)

    @property
    def is_simple(self) -> bool:
        """Whether one contribution bears all but the overage: then the parts need not be said."""
        return (
            not self.credit_units
            and len(self.parts) <= 1
            and (not self.parts or (self.parts[0]["bearer"] == "included" and not self.parts[0]["admitted"]))
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
    free = max(0, entitlement.limit - entitlement.counted - entitlement.reserved + held.charged)
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
    _include(pool, entitlement, found, held)
    left, above = quantity - found.included, 0 if held is None else max(0, quantity - held.quantity)
    if left and held is not None:  # What is above what was reserved draws on the credits of now.
        excess = min(left, above) if _is_other(entitlement, held) else 0
        left -= _draw_on_credits(pool, entitlement, left - excess, found, alone=alone, held=held)
        drawn = _draw_on_credits(pool, entitlement, excess, found, alone=alone, held=None)
        left, above = left - drawn, above - drawn
    elif left:
        left -= _draw_on_credits(pool, entitlement, left, found, alone=alone, held=None)
    if left and held is not None:  # And so with spending: what it holds, and what is above it from what is allowed now.
        excess = min(left, above)
        wanted = excess + min(left - excess, held.on_demand)
        left -= _draw_on_demand(pool, entitlement, wanted, found, alone=alone, freed=held.spending)
    elif left:
        left -= _draw_on_demand(pool, entitlement, left, found, alone=alone, freed=0)
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


def what_is_left(pool: ResourcePool, entitlement: Entitlement, *, alone: bool = False) -> Left:
    """What strict usage of a key could have now, whoever asks: members may be narrowed beside."""
    if entitlement.value is None:
        return Left(0, 0, 0, 0)
    is_bought = entitlement.entitlement_type == "quota"
    on_demand = pool.on_demand.get(entitlement.resource_key) if is_bought else None
    is_endless = on_demand is not None and on_demand.enabled and on_demand.spending_cap is None
    return Left(
        included=entitlement.included_left,
        by_credits=_affordable_by_credits(pool, entitlement, alone=alone),
        on_demand=UNLIMITED if is_endless else _affordable_on_demand(on_demand, alone=alone),
        as_overage=entitlement.overage_left,
    )


def _room(entitlement: Entitlement) -> int:
    """What the contributions have that nobody has consumed, or an override still admits."""
    admits = 0
    if entitlement.value is not None and entitlement.value.override_id:
        admits = max(0, entitlement.limit - entitlement.counted)
    return max(admits, sum(bucket.left for bucket in entitlement.burn_order()))


def affordable(pool: ResourcePool, entitlement: Entitlement, *, alone: bool = False) -> int:
    """The largest quantity that strict usage could have now, in the smallest unit; alone: that could be reserved, rounded by itself."""
    return what_is_left(pool, entitlement, alone=alone).together


def fits(entitlement: Entitlement, found: Cover) -> bool:
    """Whether strict usage that is covered so is taken: nothing is left over, or that stays under the hard limit."""
    return not found.overage or found.overage <= entitlement.overage_left


def payer_of(pool: ResourcePool, provision_id: str) -> str:
    """Who pays for what a provision includes; empty: nobody in particular."""
    provision = pool.provisions.get(provision_id)
    return (provision.billing_account_id or "") if provision is not None else ""


def _include(pool: ResourcePool, entitlement: Entitlement, found: Cover, held: Reservation | None) -> None:
    left, room = found.included, _unreserved(entitlement, 0 if held is None else held.charged)
    for bucket in entitlement.burn_order():
        part = min(left, bucket.left, room)
        if part:
            payer = payer_of(pool, bucket.provision_id)
            found.parts.append(part_of("included", bucket.provision_id, part, payer=payer))
            left, room = left - part, room - part
    if left:  # An override gives what nobody contributes.
        found.parts.append(admitted_part("included", left))


def _unreserved(entitlement: Entitlement, own: int) -> int:
    """What of the contributions usage may have that an override admits: what is reserved of them stays for those who reserved it.

    own: what of that is reserved for this usage.
    """
    if entitlement.value is None or not entitlement.value.override_id:
        return UNLIMITED  # No more is included than there is beside what is reserved.
    left = min(UNLIMITED, sum(bucket.left for bucket in entitlement.burn_order()))
    return max(0, left - (entitlement.reserved - own))


@dataclass(frozen=True, slots=True)
class _Rate:
    """The credits on which a quantity draws: so many units for every so much.

    paid: the quantity and the units from which rounding goes on. is_other: it is another rate than the key has now.
    """

    credit: Entitlement
    rate: int
    per: int
    paid: tuple[int, int]
    balance: int
    is_other: bool = False

    @property
    def affordable(self) -> int:
        """The quantity for which the balance is enough."""
        quantity, units = self.paid
        return max(0, (self.balance + units) * self.per // self.rate - quantity)


def _is_other(entitlement: Entitlement, held: Reservation) -> bool:
    """Whether the key draws on other credits, or at another rate, than when something was reserved."""
    return _terms(entitlement) != (held.credit_key, held.credit_rate, held.credit_per)


def _terms(entitlement: Entitlement) -> tuple[str, int, int]:
    value = entitlement.value
    return ("", 0, 1) if value is None else (value.credit_key or "", value.credit_rate, value.credit_per)


def _rate_now(pool: ResourcePool, entitlement: Entitlement, *, alone: bool, held: Reservation | None) -> _Rate | None:
    """On what the key draws. What is reserved draws on the credits on which it was reserved, and on no others."""
    terms = _terms(entitlement)
    wanted = terms if held is None else (held.credit_key, held.credit_rate, held.credit_per)
    credit = pool.entitlements.get(wanted[0])
    if credit is None or credit.entitlement_type != "credit" or wanted[1] <= 0:
        return None  # None, or something else has the name of the credits.
    if credit.value is None and (held is None or not held.credit_units):
        return None
    # At another rate than now it is rounded by itself.
    paid = (entitlement.credit_quantity, entitlement.credit_units) if wanted == terms and not alone else (0, 0)
    # Bounded, so that no charge and no sum leaves what the ledger can hold.
    balance = min(_balance(credit, held), QUANTITY_MAX, UNLIMITED - 1 - credit.consumed)
    return _Rate(credit, wanted[1], wanted[2], paid, balance, is_other=wanted != terms)


def _balance(credit: Entitlement, held: Reservation | None) -> int:
    """The units that are there: beside what is reserved; of two who reserved what has lapsed since the first has it."""
    free = credit.limit - credit.counted - credit.reserved
    if held is None:
        return free  # Less than nothing where more is reserved than is there: then rounding leaves nothing for others either.
    return max(0, free + held.credit_units, min(held.credit_units, _room(credit)))


def _affordable_by_credits(pool: ResourcePool, entitlement: Entitlement, *, alone: bool) -> int:
    rate = _rate_now(pool, entitlement, alone=alone, held=None)
    return 0 if rate is None else rate.affordable


def _due(quantity: int, rate: int, per: int, paid: int) -> int:
    """What is still to be paid for a sum. Usage gives nothing back: of lines that were taken back some cost nothing by themselves."""
    return max(0, -(-quantity * rate // per) - paid)


def _draw_on_credits(
    pool: ResourcePool, entitlement: Entitlement, wanted: int, found: Cover, *, alone: bool, held: Reservation | None
) -> int:
    rate = _rate_now(pool, entitlement, alone=alone, held=held)
    if rate is None or not wanted:
        return 0
    drawn = _drawn_on(rate.credit, found)
    rate = replace(rate, balance=rate.balance - sum(drawn.values()))
    quantity = min(wanted, rate.affordable)
    if not quantity:
        return 0
    before, paid = rate.paid
    units = _due(before + quantity, rate.rate, rate.per, paid)
    found.credit_units += units
    credit_key = rate.credit.resource_key
    left_units, left_quantity = units, quantity
    room = _unreserved(rate.credit, 0 if held is None else held.credit_units) - sum(drawn.values())
    for bucket in rate.credit.burn_order():
        charge = max(0, min(left_units, bucket.left - drawn.get(bucket.provision_id, 0), room))
        if not charge and units:
            continue
        room -= charge
        part = left_quantity if charge == left_units else quantity * charge // units
        payer = payer_of(pool, bucket.provision_id)
        one = part_of("credit", bucket.provision_id, part, payer=payer, charge=charge, credit_key=credit_key)
        found.parts.append(one | {"repriced": rate.is_other})
        left_units, left_quantity = left_units - charge, left_quantity - part
        if not left_units:
            break
    if left_units or left_quantity:  # An override gives credits that nobody contributes.
        one = admitted_part("credit", left_quantity, charge=left_units, credit_key=credit_key)
        found.parts.append(one | {"repriced": rate.is_other})
    return quantity


def _drawn_on(credit: Entitlement, found: Cover) -> dict[str, int]:
    """The units that what is covered so far draws on a balance, by contribution."""
    drawn: dict[str, int] = {}
    for part in found.parts:
        if part["bearer"] == "credit" and part["credit_key"] == credit.resource_key:
            drawn[part["provision_id"]] = drawn.get(part["provision_id"], 0) + part["charge"]
    return drawn


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
    is_bought = entitlement.value is not None and entitlement.entitlement_type == "quota"
    quantity = min(wanted, affordable_now) if is_bought else 0
    if not quantity:
        return 0
    assert on_demand is not None
    charged, bought = (0, 0) if alone else (on_demand.charged, on_demand.quantity)
    found.charge = _due(bought + quantity, on_demand.unit_price, on_demand.price_per, charged)
    payer = on_demand.payer or pool.billing_account_id or ""
    found.parts.append(part_of("on_demand", "", quantity, payer=payer, charge=found.charge))
    return quantity
