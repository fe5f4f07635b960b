"""What was made quick agrees with what is plain: globs, networks and hours against the obvious way to ask the same."""

import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any
from zoneinfo import ZoneInfo

from asking import judged
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.nightly import examples

from entitlements_client.deciding.globs import matcher
from entitlements_client.deciding.temporal import WEEKDAYS, compile_temporal

ADDRESSES = st.integers(0, 2**32 - 1).map(lambda number: str(ip_address(number))) | st.integers(0, 2**128 - 1).map(
    lambda number: str(ip_address(number + 2**33 if number < 2**32 else number))
)
NETWORKS = st.tuples(ADDRESSES, st.integers(0, 32)).map(
    lambda pair: str(ip_network("{}/{}".format(*pair), strict=False))
)
TIMES = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
INSTANTS = st.integers(0, 366 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@given(st.text("ab*?\n", max_size=8), st.text("ab\n", max_size=10))
@settings(max_examples=examples(500), deadline=None)
def test_a_glob_means_what_a_plain_regular_expression_means(glob: str, text: str) -> None:
    plain = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in glob)
    assert (matcher(glob)(text) is not None) is (re.fullmatch(plain, text, re.DOTALL) is not None)


@given(networks=st.lists(NETWORKS, min_size=1, max_size=6), address=ADDRESSES, nearby=st.booleans())
@settings(max_examples=examples(300), deadline=None)
def test_an_address_is_in_the_networks_that_hold_it(networks: list[str], address: str, *, nearby: bool) -> None:
    asked = str(ip_network(networks[0]).network_address) if nearby else address
    expected = any(ip_address(asked) in ip_network(network) for network in networks)
    condition = {"field": "client.ip_address", "operator": "in_cidr", "value": networks}
    assert judged(condition, {"client": {"ip_address": asked}}) is expected


@given(
    TIMES,
    TIMES,
    st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    INSTANTS,
    st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
)
@settings(max_examples=examples(300), deadline=None)
def test_hours_are_those_that_somebody_would_tick_off_on_a_calendar(
    start: str, end: str, days: set[str], at: datetime, zone: str
) -> None:
    if start == end:
        return
    document: dict[str, Any] = {"weekdays": sorted(days), "from": start, "until": end, "time_zone": zone}
    wall = at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    def began_on(day: datetime) -> bool:
        first = datetime.combine(day, datetime.strptime(start, "%H:%M").time())  # noqa: DTZ007 - on the wall there is no zone.
        last = datetime.combine(day, datetime.strptime(end, "%H:%M").time())  # noqa: DTZ007
        last += timedelta(days=1) if end < start else timedelta()
        return WEEKDAYS[day.weekday()] in days and first <= wall < last

    assert compile_temporal(document, "temporal")(at.timestamp()) is (
        began_on(wall) or began_on(wall - timedelta(days=1))
    )
