"""What is known to have happened, as the least that a view has to include: one object for all levels of a process.

An invalidation is no deletion here. It names a place of the ledger, and a view counts from then on only if its own position
(`as_of.position`) includes that place. So it does not matter which way a view took, when its load began, who stored it where,
or that the read models themselves have not heard yet: whatever is older than what is known is refused, wherever it comes from.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final, TypeAlias

#: By partition of the ledger the offset of a frame.
Positions: TypeAlias = Mapping[int, int]
#: An organization and the id of one of its customers: another organization may have a customer of the same id.
Customer: TypeAlias = tuple[str, str]
#: Who has a floor: "customer" or "organization", the organization, and the customer's id or nothing.
Name: TypeAlias = tuple[str, str, str]

#: Customers and organizations of which a floor is kept; the floor of one that is given up becomes everybody's.
FLOORS_MAX: Final = 200_000
#: Seconds for which what was known last stands, before levels take it that news are late.
BEHIND_FOR_MAX: Final = 2.0
_NEVER: Final = float("-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerned:
    """Whose views something makes older: these customers, these organizations, or everybody's."""

    customers: frozenset[Customer] = frozenset()
    organizations: frozenset[str] = frozenset()
    everybody: bool = False

    def __bool__(self) -> bool:
        return self.everybody or bool(self.customers or self.organizations)

    def __or__(self, other: Concerned) -> Concerned:
        return Concerned(
            customers=self.customers | other.customers,
            organizations=self.organizations | other.organizations,
            everybody=self.everybody or other.everybody,
        )


def includes(position: Positions, floor: Positions) -> bool:
    """Whether a position has at least what a floor asks for. A partition that it does not name it has nothing of."""
    return all(position.get(partition, -1) >= offset for partition, offset in floor.items())


class Floors:
    """The floors of customers, of organizations and of everybody. Safe between threads; a look takes about a microsecond."""

    def __init__(self, *, floors_max: int = FLOORS_MAX, behind_for_max: float = BEHIND_FOR_MAX) -> None:
        """behind_for_max: seconds after which `is_current` says no, when nobody has said `known_at`."""
        assert floors_max > 0
        assert behind_for_max > 0
        self._floors: OrderedDict[Name, dict[int, int]] = OrderedDict()
        self._everybody: dict[int, int] = {}
        self._max, self._behind_for_max = floors_max, behind_for_max
        self._known_at = _NEVER
        #: The instant of the monotonic clock until which the floors have all that was decided (`vouch`).
        self.vouched_at = _NEVER
        self._lock = Lock()
        #: Counts what was raised: a view that was admitted at a count needs no other look until it moves.
        self.count = 0

    def rise(self, partition: int, offset: int, concerned: Concerned) -> None:
        """Something happened at a place of the ledger: views of those concerned have to include it."""
        names = [
            *(_name_of(*customer) for customer in concerned.customers),
            *(_name_of(organization_id) for organization_id in concerned.organizations),
        ]
        with self._lock:
            for name in names:
                _rise(self._floors.setdefault(name, {}), partition, offset)
                self._floors.move_to_end(name)
            if concerned.everybody:
                _rise(self._everybody, partition, offset)
            while len(self._floors) > self._max:
                _, given_up = self._floors.popitem(last=False)
                for of, least in given_up.items():
                    _rise(self._everybody, of, least)
            self.count += 1

    def admits(self, organization_id: str, customer_id: str, position: Positions) -> bool:
        """Whether a view of this position has all that is known about its customer."""
        with self._lock:
            return all(
                includes(position, floor)
                for floor in (
                    self._everybody,
                    self._floors.get(_name_of(organization_id), {}),
                    self._floors.get(_name_of(organization_id, customer_id), {}),
                )
            )

    def least(self, organization_id: str, customer_ids: Iterable[str]) -> dict[int, int]:
        """What a server of views has to have, so that its views of these customers are admitted."""
        names = [_name_of(organization_id), *(_name_of(organization_id, customer_id) for customer_id in customer_ids)]
        with self._lock:
            together = dict(self._everybody)
            for name in names:
                for partition, offset in self._floors.get(name, {}).items():
                    _rise(together, partition, offset)
        return together

    def known_at(self, instant: float) -> None:
        """Everything that was told until an instant of the monotonic clock is in the floors."""
        self._known_at = max(self._known_at, instant)

    def vouch(self, instant: float) -> None:
        """Everything that was decided until an instant of the monotonic clock was told, and is in the floors."""
        self.vouched_at = max(self.vouched_at, instant)

    @property
    def is_current(self) -> bool:
        """Whether the floors tell all that was told until a moment ago; False as long as nobody follows."""
        return self.late_for <= self._behind_for_max

    @property
    def late_for(self) -> float:
        """Seconds since the floors told all that was told; without end as long as nobody follows."""
        return time.monotonic() - self._known_at

    def names(self) -> Iterable[Name]:
        """Who has a floor, oldest first: for tests and for looking inside."""
        with self._lock:
            return list(self._floors)


def _name_of(organization_id: str, customer_id: str | None = None) -> Name:
    return ("organization", organization_id, "") if customer_id is None else ("customer", organization_id, customer_id)


def _rise(floor: dict[int, int], partition: int, offset: int) -> None:
    floor[partition] = max(floor.get(partition, -1), offset)
