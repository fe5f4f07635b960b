"""What the definition of a resource key may say, and what it means for pools: its default, and where and when it may be used."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final, Literal

from entitlements.domain.errors import InheritanceCycle, InvalidCommand
from entitlements.domain.periods import check_period
from entitlements.domain.rules import check_rules
from entitlements.domain.values import Constraints, DataType, KeyTerms, Rule, UsageTracking, is_id

#: Bound of what one key inherits from, and of the places it may be used in.
PARENTS_MAX: Final = 100
PLACES_MAX: Final = 400
#: A country of ISO 3166-1, with a subdivision of ISO 3166-2 if wanted, or a region.
PLACE: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?|EEA")
_EU: Final = frozenset({
    "AT", "BE", "BG", "HR", "CY", "CZ", "DK", "EE", "FI", "FR", "DE", "GR", "HU", "IE",
    "IT", "LV", "LT", "LU", "MT", "NL", "PL", "PT", "RO", "SK", "SI", "ES", "SE",
})  # fmt: skip
#: Regions by the countries in them, since 2020-02-01.
REGIONS: Final = {"EU": _EU, "EEA": _EU | {"IS", "LI", "NO"}}

#: Why a key may not be used although it is had.
Constraint = Literal["country_unknown", "country_not_allowed", "not_yet_valid", "no_longer_valid"]


def check_terms(resource_key: str, data_type: DataType, terms: KeyTerms) -> None:
    """The terms of a key are valid. Raises InvalidCommand, InheritanceCycle, InvalidPeriod, InvalidRules."""
    if (terms.entitlement_type == "boolean") != (data_type == "boolean"):
        raise InvalidCommand(f"a {terms.entitlement_type} cannot have {data_type} values")
    if terms.default_value is not None and not 0 <= terms.default_value <= (1 if data_type == "boolean" else 2**53):
        raise InvalidCommand("the default must be 0 or 1 for a feature, 0 to 2^53 otherwise")
    if resource_key in terms.inherits_from:
        raise InheritanceCycle(f"{resource_key} -> {resource_key}")
    parents = terms.inherits_from
    if len(parents) > PARENTS_MAX or len(set(parents)) < len(parents) or not all(map(is_id, parents)):
        raise InvalidCommand(f"a key can inherit from at most {PARENTS_MAX} keys, each once")
    if terms.usage_tracking is not None:
        _check_tracking(terms.usage_tracking)
    if terms.constraints is not None:
        _check_constraints(terms.constraints)
    rule = default_rule(resource_key, terms)
    if rule is not None:
        check_rules([rule])


def _check_tracking(tracking: UsageTracking) -> None:
    if tracking.reset_period is not None:
        check_period(tracking.reset_period)
    limits = [limit for limit in (tracking.soft_limit, tracking.hard_limit) if limit is not None]
    if any(not 0 <= limit <= 2**53 for limit in limits):
        raise InvalidCommand("limits must be integers from 0 to 2^53")
    if limits != sorted(limits):
        raise InvalidCommand("the soft limit must not be above the hard limit")


def _check_constraints(constraints: Constraints) -> None:
    places = constraints.geographic_restrictions
    if len(places) > PLACES_MAX or not all(map(PLACE.fullmatch, places)):
        raise InvalidCommand("restrictions must be countries such as DE or US-CA, or the regions EU and EEA")
    start, end = constraints.start_date, constraints.end_date
    if start is not None and end is not None and end < start:
        raise InvalidCommand("the end is before the start")


def default_rule(resource_key: str, terms: KeyTerms) -> Rule | None:
    """What pools have of a key when nothing confers it, as a rule for their defaults; None: nothing.

    A feature whose usage is tracked is a quota of its hard limit: had while something of it is left. A quota without a reset
    period lasts for ever.
    """
    if terms.default_value is None or (terms.entitlement_type == "boolean" and not terms.default_value):
        return None
    tracking = terms.usage_tracking
    if tracking is None or not tracking.enabled:
        tracking = UsageTracking(enabled=False)
    if terms.entitlement_type == "boolean" and not tracking.enabled:
        return Rule(resource_key=resource_key, rule_type="boolean", stacking="any")
    if terms.entitlement_type == "boolean":
        return Rule(
            resource_key=resource_key,
            rule_type="quota",
            amount=tracking.hard_limit,
            soft_limit=tracking.soft_limit,
            period=tracking.reset_period or "lifetime",
            stacking="sum",
        )
    periods = {"limit": None, "quota": tracking.reset_period or "lifetime", "credit": tracking.reset_period}
    return Rule(
        resource_key=resource_key,
        rule_type=terms.entitlement_type,
        amount=terms.default_value,
        soft_limit=tracking.soft_limit,
        hard_limit=None if terms.entitlement_type == "credit" else tracking.hard_limit,
        period=periods[terms.entitlement_type],
        stacking="sum",
    )


def constraint_against(constraints: Constraints | None, country: str | None, at: datetime) -> Constraint | None:
    """Why a key may not be used there and then; None: it may.

    `country` is a code of ISO 3166-1 or 3166-2, None: nobody knows where, which is not allowed wherever a place is asked for.
    A key may be used from start_date on and through the second of end_date.
    """
    if constraints is None:
        return None
    if constraints.start_date is not None and at < constraints.start_date:
        return "not_yet_valid"
    if constraints.end_date is not None and at - timedelta(seconds=1) >= constraints.end_date:
        return "no_longer_valid"
    places = constraints.geographic_restrictions
    if not places:
        return None
    if country is None:
        return "country_unknown"
    return None if any(is_in(country, place) for place in places) else "country_not_allowed"


def is_in(country: str, place: str) -> bool:
    """Whether a country, or a subdivision of one, lies in a place. A subdivision lies in its country."""
    return country == place or country[:2] == place or country[:2] in REGIONS.get(place, ())
