"""What was made quick agrees with what is plain: globs, networks and hours against the obvious way to ask the same."""

import re
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from asking import judged
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.nightly import examples

from entitlements_client.deciding.globs import matcher
from entitlements_client.deciding.temporal import WEEKDAYS, compile_temporal
from entitlements_client.deciding.zones import zone as zone_of

VERSION_4 = st.integers(0, 2**32 - 1).map(lambda number: str(ip_address(number)))
MAPPED = VERSION_4.map(lambda address: f"::ffff:{address}")
VERSION_6 = st.integers(2**32, 2**128 - 1).map(lambda number: str(ip_address(number)))
ADDRESSES = VERSION_4 | VERSION_6 | MAPPED
NETWORKS = st.one_of(
    st.tuples(VERSION_4, st.integers(0, 32)),
    st.tuples(VERSION_6, st.integers(0, 128)),
    st.tuples(MAPPED, st.integers(90, 128)),
).map(lambda pair: str(ip_network("{}/{}".format(*pair), strict=False)))
TIMES = st.integers(0, 24 * 60 - 1).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
INSTANTS = st.integers(0, 366 * 24 * 60).map(
    lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@given(st.text("ab*?\n", max_size=8), st.text("ab\n", max_size=10))
@settings(max_examples=examples(500), deadline=None)
def test_a_glob_means_what_a_plain_regular_expression_means(glob: str, text: str) -> None:
    plain = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in glob)
    assert matcher(glob)(text) is (re.fullmatch(plain, text, re.DOTALL) is not None)


def version_4_of(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that is written as an IPv6 address, by its text: ::ffff: and two groups of four hexadecimal digits."""
    groups = address.exploded.split(":")
    return IPv4Address(int("".join(groups[6:]), 16)) if groups[:6] == ["0000"] * 5 + ["ffff"] else None


def plainly_in(address: str, network: str) -> bool:
    """As `ipaddress` says, once both are the IPv4 address and the network of IPv4 that they are; of itself it tells these apart."""
    asked, within = ip_address(address), ip_network(network)
    if isinstance(asked, IPv6Address):
        asked = version_4_of(asked) or asked
    if isinstance(within, IPv6Network) and within.prefixlen >= 96:
        first = version_4_of(within.network_address)
        within = IPv4Network((first, within.prefixlen - 96)) if first is not None else within
    return asked in within


@given(networks=st.lists(NETWORKS, min_size=1, max_size=6), address=ADDRESSES, nearby=st.booleans())
@example(networks=["0.0.0.0/0"], address="::ffff:0:0", nearby=False)
@example(networks=["10.0.0.0/8"], address="::ffff:10.1.2.3", nearby=False)
@example(networks=["::ffff:10.0.0.0/104"], address="10.1.2.3", nearby=False)
@example(networks=["::/0", "::fffe:0:0/95"], address="::ffff:10.1.2.3", nearby=False)
@settings(max_examples=examples(300), deadline=None)
def test_an_address_is_in_the_networks_that_hold_it(networks: list[str], address: str, *, nearby: bool) -> None:
    asked = str(ip_network(networks[0]).network_address) if nearby else address
    expected = any(plainly_in(asked, network) for network in networks)
    for operator, holds in (("in_cidr", expected), ("not_in_cidr", not expected)):
        condition = {"field": "client.ip_address", "operator": operator, "value": networks}
        assert judged(condition, {"client": {"ip_address": asked}}) is holds


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
    wall = at.astimezone(zone_of(zone)).replace(tzinfo=None)

    def began_on(day: datetime) -> bool:
        first = datetime.combine(day, datetime.strptime(start, "%H:%M").time())  # noqa: DTZ007 - on the wall there is no zone.
        last = datetime.combine(day, datetime.strptime(end, "%H:%M").time())  # noqa: DTZ007
        last += timedelta(days=1) if end < start else timedelta()
        return WEEKDAYS[day.weekday()] in days and first <= wall < last

    assert compile_temporal(document, "temporal")(at.timestamp()) is (
        began_on(wall) or began_on(wall - timedelta(days=1))
    )
