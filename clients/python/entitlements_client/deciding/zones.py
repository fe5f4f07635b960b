"""Time zones by the pinned package tzdata alone: a policy applies at the same instants on every machine, as the service counts periods.

`zoneinfo` would read the machine's own zone files first, which may be older or newer; and to tell it otherwise would change that for
the whole application. So the files are read from the package, and nothing of the process is changed.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo


@cache
def names() -> frozenset[str]:
    """The names of all time zones, as the IANA database spells them."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


def zone(name: str) -> ZoneInfo:
    """The time zone of a name. Raises KeyError for a name that the IANA database doesn't have."""
    if name not in names():
        raise KeyError(name)
    return _read(name)


@cache
def _read(name: str) -> ZoneInfo:
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, name)
