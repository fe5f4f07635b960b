"""Where and from when until when a key may be used. The same rules as the service's own (docs/rules/inheritance.md), and a test says so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from entitlements_client.deciding.instants import seconds_of

#: A country of ISO 3166-1, with a subdivision of ISO 3166-2 if wanted.
COUNTRY: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
_EU: Final = frozenset(
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split()  # noqa: SIM905
)
#: Regions by the countries in them, since 2020-02-01.
REGIONS: Final = {"EU": _EU, "EEA": _EU | {"IS", "LI", "NO"}}


def country_of(location: Any) -> str | None:
    """The country that somebody says; None: nobody says one, or what they say is none."""
    return location if isinstance(location, str) and COUNTRY.fullmatch(location) else None


class Constraints:
    """Where a key may be used, from start_s on and until before end_s (seconds since 1970)."""

    __slots__ = ("document", "end_s", "places", "start_s")

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = dict(document)
        #: Countries, subdivisions and regions, and the countries of the regions.
        self.places: frozenset[str] = frozenset(
            country
            for place in document.get("geographic_restrictions") or ()
            for country in (place, *REGIONS.get(place, ()))
        )
        start, end = seconds_of(document.get("start_date")), seconds_of(document.get("end_date"))
        self.start_s = float("-inf") if start is None else start
        # The whole second of end_date still counts.
        self.end_s = float("inf") if end is None else end + 1

    def against(self, country: str | None, now_s: float) -> str | None:
        """Why the key may not be used there and then, as a reason code; None: it may. country None: nobody knows where."""
        if now_s < self.start_s:
            return "not_yet_valid"
        if now_s >= self.end_s:
            return "no_longer_valid"
        if not self.places:
            return None
        if country is None:
            return "country_unknown"
        return None if country in self.places or country[:2] in self.places else "country_not_allowed"
