"""Time zones are those of the pinned package, whatever zone files a machine has; nothing of the process is changed for that."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from tests.other_zones import said_on_such_a_machine

from entitlements.domain.errors import InvalidTimeZone
from entitlements.domain.periods import Calendar, check_time_zone, period_bounds
from entitlements_client.deciding import PolicyIsInvalid
from entitlements_client.deciding.temporal import compile_temporal
from entitlements_client.deciding.zones import names, zone

ROOT = Path(__file__).parents[4]
# 08:30 UTC in June: 10:30 in Berlin, 08:30 in Casablanca (+00 since 2026f), 17:30 in Tokyo, as which the doctored files show them.
APPLYING = """
from entitlements_client.deciding.temporal import compile_temporal
at = datetime.fromisoformat("2027-06-01T08:30:00Z").timestamp()
for zone in ("Europe/Berlin", "Africa/Casablanca", "UTC", None):
    hours = {"from": "09:00", "until": "17:00", "time_zone": zone}
    print(compile_temporal(hours, "temporal")(at))
"""


def test_a_policy_applies_by_the_pinned_zones_and_not_by_its_machines(tmp_path: Path) -> None:
    assert said_on_such_a_machine(tmp_path, APPLYING) == ["True", "False", "False", "False"]


@pytest.mark.parametrize("name", ["Africa/Casablanca", "Europe/Berlin", "America/New_York", "Pacific/Apia"])
def test_policies_and_periods_count_by_the_same_rules(name: str) -> None:
    first = {"from": "00:00", "until": "01:00", "time_zone": name}
    last = {"from": "23:00", "until": "24:00", "time_zone": name}
    for day in range(0, 730, 7):
        start_s = period_bounds("day", (1_798_761_600 + day * 86_400) * 1_000, Calendar(name))[0] / 1_000
        assert compile_temporal(first, "temporal")(start_s)
        assert compile_temporal(last, "temporal")(start_s - 1)


def accepts(name: Any) -> bool:
    try:
        compile_temporal({"time_zone": name}, "temporal")
    except PolicyIsInvalid as refused:
        assert refused.code == "invalid_time_zone"  # noqa: PT017
        return False
    return True


def counts_by(name: str) -> bool:
    try:
        check_time_zone(name)
    except InvalidTimeZone:
        return False
    return True


def test_every_zone_of_the_package_can_be_named() -> None:
    assert len(names()) > 500
    for name in names():
        assert zone(name).key == name
        assert counts_by(name)


@pytest.mark.parametrize(
    "name",
    [
        "Mars/Olympus", "europe/berlin", "EUROPE/BERLIN", "Europe", "Europe/", "Europe//Berlin", "./UTC", "Europe/../UTC",
        "../zoneinfo/UTC", "/etc/localtime", "localtime", "posixrules", "right/UTC", "zone.tab", "tzdata.zi", "__init__.py",
        "CET-1CEST", "UTC\0", "Europe/Berlin ", "Zürich",
    ],
)  # fmt: skip
def test_a_name_is_spelt_as_in_the_database_for_policies_and_periods_alike(name: str) -> None:
    assert not accepts(name)
    assert not counts_by(name)


def test_a_zone_is_read_once() -> None:
    assert zone("Asia/Tokyo") is zone("Asia/Tokyo")


def pinned(project: Path) -> list[str]:
    dependencies = tomllib.loads(project.read_text())["project"]["dependencies"]
    return [one.partition("==")[2] for one in dependencies if re.match(r"tzdata\b", one)]


def test_service_and_client_pin_the_same_version() -> None:
    locked = re.findall(r"^tzdata==(\S+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE)
    assert pinned(ROOT / "pyproject.toml") == pinned(ROOT / "clients/python/pyproject.toml") == locked
    assert locked == [files("tzdata").joinpath("__init__.py").read_text().split('__version__ = "')[1].split('"')[0]]
