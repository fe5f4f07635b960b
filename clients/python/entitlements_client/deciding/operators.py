"""What the operators of conditions mean. Each becomes a function of one value that says True, False or None: it cannot be judged.

A value cannot be judged when it is missing (null says no more than nothing) or of another kind than the operator compares: a number is no
text, true is no 1. A condition that cannot be judged does not hold, and turned around by `not` it holds no more: what is not known
never grants. The kinds are those of JSON: text, number (NaN is none), boolean, list.
"""

from __future__ import annotations

import operator
from bisect import bisect_right
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Any, Final

from entitlements_client.deciding.fields import Items
from entitlements_client.deciding.globs import GLOB_CHARACTERS_MAX, holder, matcher, sought_cost
from entitlements_client.deciding.instants import seconds_of
from entitlements_client.deciding.kinds import kind_of
from entitlements_client.deciding.refusals import PolicyIsInvalid, require_list, require_text, shown

#: Bounds of what a condition compares with.
TEXT_CHARACTERS_MAX: Final = 1_024
LIST_MAX: Final = 1_000
#: Larger integers are read as another number by some who read JSON, or not at all.
INTEGER_MAX: Final = 2**63 - 1
#: No address is longer, with a zone and an embedded IPv4 address.
ADDRESS_CHARACTERS_MAX: Final = 64

Judge = Callable[[Any], bool | None]


def _scalar(value: Any, path: str) -> str:
    """The kind of a text, number or boolean that a policy states. Raises PolicyIsInvalid."""
    kind = kind_of(value)
    if kind is None or value in (float("inf"), float("-inf")):
        raise PolicyIsInvalid("invalid_value", path, f"must be a string, a number, true or false, not {shown(value)}")
    if kind == "text":
        require_text(value, path, TEXT_CHARACTERS_MAX, may_be_empty=True)
    if type(value) is int and abs(value) > INTEGER_MAX:
        raise PolicyIsInvalid(
            "invalid_value", path, f"an integer must be from -{INTEGER_MAX} to {INTEGER_MAX}, not {shown(value)}"
        )
    return kind


def _number(value: Any, path: str) -> int | float:
    if isinstance(value, str) or _scalar(value, path) != "number":
        raise PolicyIsInvalid("invalid_value", path, f"must be a number, not {shown(value)}")
    number: int | float = value
    return number


def _equals(value: Any, path: str) -> Judge:
    kind = _scalar(value, path)
    if kind == "text":
        return lambda found: found == value if type(found) is str else None
    return lambda found: found == value if kind_of(found) == kind else None


def _contains(value: Any, path: str) -> Judge:
    kind = _scalar(value, path)
    seek = holder(value) if kind == "text" else None

    def judge(found: Any) -> bool | None:
        if type(found) is str:
            return None if seek is None else seek(found, 0, len(found)) >= 0
        # A context has no other lists: they are made where it is read.
        return found.holds(value, kind) if isinstance(found, Items) else None

    return judge


def _starts_with(value: Any, path: str) -> Judge:
    start = require_text(value, path, TEXT_CHARACTERS_MAX)
    return lambda found: found.startswith(start) if type(found) is str else None


def _ends_with(value: Any, path: str) -> Judge:
    end = require_text(value, path, TEXT_CHARACTERS_MAX)
    return lambda found: found.endswith(end) if type(found) is str else None


def _matches(value: Any, path: str) -> Judge:
    matches = matcher(require_text(value, path, GLOB_CHARACTERS_MAX))
    return lambda found: matches(found) if type(found) is str else None


def _comparing(compare: Callable[[Any, Any], bool]) -> Callable[[Any, str], Judge]:
    """The operator that compares numbers. `compare` is of the module operator, which is as quick as a sign."""

    def make(value: Any, path: str) -> Judge:
        bound = _number(value, path)

        def judge(found: Any) -> bool | None:
            kind = type(found)
            if kind is int or (kind is float and found == found):  # noqa: PLR0124 - NaN is no number.
                return compare(found, bound)
            return None

        return judge

    return make


def _between(value: Any, path: str) -> Judge:
    bounds = require_list(value, path, 2)
    if len(bounds) != 2:
        raise PolicyIsInvalid("invalid_value", path, f"must be two numbers, not {shown(value)}")
    low, high = _number(bounds[0], f"{path}[0]"), _number(bounds[1], f"{path}[1]")
    if low > high:
        raise PolicyIsInvalid("invalid_value", path, f"the lower bound must come first: [{high}, {low}]")
    return lambda found: low <= found <= high if kind_of(found) == "number" else None


def _in_set(value: Any, path: str) -> Judge:
    members = require_list(value, path, LIST_MAX)
    if not members:
        raise PolicyIsInvalid("invalid_value", path, "the list must not be empty")
    by_kind: dict[str | None, set[Any]] = {}
    for place, member in enumerate(members):
        by_kind.setdefault(_scalar(member, f"{path}[{place}]"), set()).add(member)
    if list(by_kind) == ["text"]:
        texts = frozenset(by_kind["text"])
        return lambda found: found in texts if type(found) is str else None

    def judge(found: Any) -> bool | None:
        same = by_kind.get(kind_of(found))
        return None if same is None else found in same

    return judge


@lru_cache(maxsize=10_000)
def _address(text: str) -> tuple[int, int] | None:
    """Version and number of an address; None: it is none. An IPv4 address in IPv6 form is the IPv4 address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return 4, int(address.ipv4_mapped)
    return address.version, int(address)


def _network(value: Any, path: str) -> IPv4Network | IPv6Network:
    text = require_text(value, path, ADDRESS_CHARACTERS_MAX)
    try:
        network: IPv4Network | IPv6Network = ip_network(text)
    except ValueError as error:
        raise PolicyIsInvalid("invalid_cidr", path, f"invalid network: {error}") from None
    mapped = network.network_address.ipv4_mapped if isinstance(network, IPv6Network) else None
    if mapped is not None and network.prefixlen >= 96:
        return IPv4Network((mapped, network.prefixlen - 96))
    return network


def _in_cidr(value: Any, path: str) -> Judge:
    texts = [value] if isinstance(value, str) else require_list(value, path, LIST_MAX)
    if not texts:
        raise PolicyIsInvalid("invalid_value", path, "at least one network is required")
    networks = [
        _network(text, path if isinstance(value, str) else f"{path}[{place}]") for place, text in enumerate(texts)
    ]
    # Without overlaps and in order, the last one that begins before an address is the only one that can hold it.
    of_4 = list(collapse_addresses(one for one in networks if isinstance(one, IPv4Network)))
    of_6 = list(collapse_addresses(one for one in networks if isinstance(one, IPv6Network)))
    first = {4: [int(one.network_address) for one in of_4], 6: [int(one.network_address) for one in of_6]}
    last = {4: [int(one.broadcast_address) for one in of_4], 6: [int(one.broadcast_address) for one in of_6]}

    def judge(found: Any) -> bool | None:
        # Only what may be an address is remembered, not whatever callers send in its place.
        address = _address(found) if type(found) is str and len(found) <= ADDRESS_CHARACTERS_MAX else None
        if address is None:
            return None
        version, number = address
        place = bisect_right(first[version], number) - 1
        return place >= 0 and number <= last[version][place]

    return judge


def _instant(value: Any, path: str) -> float:
    seconds = seconds_of(value) if isinstance(value, str) else None
    if seconds is None:
        raise PolicyIsInvalid(
            "invalid_instant", path, f"must be a time such as 2026-01-31T00:00:00Z, not {shown(value)}"
        )
    return seconds


def _before(value: Any, path: str) -> Judge:
    instant = _instant(value, path)

    def judge(found: Any) -> bool | None:
        seconds = seconds_of(found)
        return None if seconds is None else seconds < instant

    return judge


def _after(value: Any, path: str) -> Judge:
    instant = _instant(value, path)

    def judge(found: Any) -> bool | None:
        seconds = seconds_of(found)
        return None if seconds is None else seconds > instant

    return judge


def _turned(make: Callable[[Any, str], Judge]) -> Callable[[Any, str], Judge]:
    """The operator that says False where another says True; what cannot be judged stays so."""

    def turned(value: Any, path: str) -> Judge:
        judge = make(value, path)

        def otherwise(found: Any) -> bool | None:
            said = judge(found)
            return None if said is None else not said

        return otherwise

    return turned


#: Operators that compare a field with a value.
COMPARING: Final[dict[str, Callable[[Any, str], Judge]]] = {
    "equals": _equals,
    "not_equals": _turned(_equals),
    "contains": _contains,
    "not_contains": _turned(_contains),
    "starts_with": _starts_with,
    "ends_with": _ends_with,
    "matches": _matches,
    "greater_than": _comparing(operator.gt),
    "greater_or_equal": _comparing(operator.ge),
    "less_than": _comparing(operator.lt),
    "less_or_equal": _comparing(operator.le),
    "between": _between,
    "in_set": _in_set,
    "not_in_set": _turned(_in_set),
    "in_cidr": _in_cidr,
    "not_in_cidr": _turned(_in_cidr),
    "before": _before,
    "after": _after,
}
#: Operators about whether there is a field; they take no value and can always be judged.
EXISTING: Final[dict[str, Judge]] = {
    "exists": lambda found: found is not None,
    "not_exists": lambda found: found is None,
}
OPERATORS: Final = (*COMPARING, *EXISTING)

#: What a comparison costs at worst, in tenths of a microsecond on an ordinary machine: every one, and those that search a text of
#: context.TEXT_CHARACTERS_MAX, read an address or an instant.
_COST: Final = 2
_COSTS: Final = {"contains": 100, "in_cidr": 30, "before": 15, "after": 15}
#: A pattern: each character of a part that is sought and holds a `?`.
_COST_OF_FORM: Final = 25


def cost_of(name: str, value: Any) -> int:
    """What a comparison costs at worst, in tenths of a microsecond."""
    name = name.removeprefix("not_")
    if name != "matches":
        return _COST + _COSTS.get(name, 0)
    sought, of_form = sought_cost(value)
    return _COST + 5 + (_COSTS["contains"] if sought else 0) + 3 * sought + _COST_OF_FORM * of_form
