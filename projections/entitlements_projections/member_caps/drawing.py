"""What the events of one pool do to the caps of its members; the rule is that of domain/taking.py and domain/members.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, ClassVar, NamedTuple

from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.periods import Calendar, period_bounds
from entitlements_projections.database import Row
from entitlements_projections.read_model import Event

#: Start and end, exclusive; none where everything counts for ever.
Bounds = tuple[datetime | None, datetime | None]


class Line(NamedTuple):
    """When a line of usage was recorded."""

    version: int
    recorded_at_ms: int
    #: It counted in a closed period, and under no cap.
    is_late: bool


def line_in(event: Event, usage_id: str) -> Line | None:
    """The line of this id among those of an event, the last one."""
    for line in reversed(event["lines"]):
        if line["usage_id"] == usage_id:
            return Line(event["originator_version"], line["recorded_at"], line["late"])
    return None


class Members:
    """The caps of one pool."""

    def __init__(self, rows: Iterable[Row], time_zone: str) -> None:
        self._rows = {(r["workspace_id"], r["subject_id"], r["resource_key"], r["override_id"]): r for r in rows}
        self._time_zone = time_zone
        self._changed: dict[tuple[str, str, str, str], Row] = {}

    @property
    def oldest(self) -> int:
        """The version of the pool from which on the oldest cap counts."""
        return min((row["counts_from"] for row in self._rows.values()), default=0)

    def changed(self) -> Iterable[Row]:
        """The rows that are other ones than before."""
        return self._changed.values()

    def take(self, name: str, event: Event, line: Line | None) -> None:
        """Take an event in; line: the one that a correction corrects, if it is known."""
        if name == "UsageCorrected":
            self._give_back(event, line)
        else:
            self._TAKES[name](self, event)

    def _override(self, event: Event) -> None:
        if event["workspace_id"] and event["amount"] is not None:
            self._begin(event, override_id=event["override_id"], subject_id="", period=None)

    def _override_over(self, event: Event) -> None:
        self._lift(event, [r for r in self._fresh(event) if r["override_id"] == event["override_id"]])

    def _held(self, event: Event) -> None:
        self._hold(event, event["change"], "")

    def _released(self, event: Event) -> None:
        self._hold(event, -event["quantity"], event["subject_id"])

    def _reset(self, event: Event) -> None:
        for row in self._of_key(event, event["resource_key"]):
            if row["drawn"]:
                self._put(event, row | {"drawn": 0, "drawn_from": None, "drawn_until": None})

    def _count_by(self, event: Event) -> None:
        """Count by another time zone from the next period on; periods under way, of keys and of caps, may end at another instant."""
        self._time_zone = event["time_zone"]
        of_keys = {moved["resource_key"]: moved["period_end"] for moved in event.get("periods", ())}
        of_caps = {moved["period"]: moved["period_end"] for moved in event.get("cap_periods", ())}
        for row in self._fresh(event):
            period = row["period"]
            end_ms = of_keys.get(row["resource_key"]) if period is None else of_caps.get(period)
            is_moved = end_ms is not None and row["drawn_until"] is not None and _is_current(row, event["timestamp"])
            zone = {} if row["time_zone"] is None else {"time_zone": self._time_zone}
            until = {"drawn_until": from_ms(end_ms)} if is_moved and end_ms is not None else {}
            if zone or until:
                self._put(event, row | zone | until)

    def _of_key(self, event: Event, resource_key: str) -> list[Row]:
        """The fresh rows of a key that have no period of their own."""
        return [r for r in self._fresh(event) if r["resource_key"] == resource_key and r["period"] is None]

    def are_concerned(self, event: Event) -> bool:
        """Whether a correction is of usage under a cap."""
        return any(self._of_member(event, event["workspace_id"], event["subject_id"]))

    def _cap(self, event: Event) -> None:
        known = self._rows.get((event["workspace_id"], event["subject_id"], event["resource_key"], ""))
        if known is not None and known["version"] >= event["originator_version"]:
            return
        holds = known is not None and known["amount"] is not None
        if known is not None and (event["amount"] is None or (holds and known["period"] == event["period"])):
            said = {"amount": event["amount"], "actor": event["actor"], "capped_at": from_ms(event["timestamp"])}
            self._put(event, known | said)
        else:
            self._begin(event, override_id="", subject_id=event["subject_id"], period=event["period"])

    def _begin(self, event: Event, *, override_id: str, subject_id: str, period: str | None) -> None:
        row = {
            "pool_id": event["originator_id"],
            "workspace_id": event["workspace_id"],
            "subject_id": subject_id,
            "resource_key": event["resource_key"],
            "override_id": override_id,
            "amount": event["amount"],
            "period": period,
            "time_zone": None if period is None else self._time_zone,
            "drawn": 0,
            "drawn_from": None,
            "drawn_until": None,
            "counts_from": event["originator_version"],
            "capped_at": from_ms(event["timestamp"]),
            "actor": event["actor"],
        }
        known = self._rows.get(_key(row))
        if known is None or known["version"] < event["originator_version"]:
            self._put(event, row)

    def _lift(self, event: Event, rows: list[Row]) -> None:
        for row in rows:
            if row["amount"] is not None:
                self._put(event, row | {"amount": None})

    def _draw(self, event: Event) -> None:
        fresh = {_key(row) for row in self._fresh(event)}
        late = {
            (line["resource_key"], line["details"]["counted_in"])
            for line in event["lines"]
            if line["late"] and line["details"]
        }
        periods: dict[str, Bounds] = {
            total["resource_key"]: (_instant(total["period_start"]), _instant(total["period_end"]))
            for total in event["totals"]
            if (total["resource_key"], total["period_start"]) not in late
        }
        for line in event["lines"]:
            if line["late"] or not line["workspace_id"]:
                continue
            details = line["details"]
            for row in list(self._of_member(line, line["workspace_id"], details["subject_id"] if details else "")):
                if _key(row) not in fresh:
                    continue
                self._count(event, row, periods[line["resource_key"]], line["quantity"], line["recorded_at"])

    def _hold(self, event: Event, change: int, subject_id: str) -> None:
        """What is held of a limit counts while it is held; a limit has no period."""
        fresh = {_key(row) for row in self._fresh(event)}
        for row in list(self._of_member(event, event["workspace_id"], subject_id)):
            if _key(row) in fresh:
                self._count(event, row, (None, None), change, event["timestamp"])

    def _count(self, event: Event, row: Row, of_key: Bounds, quantity: int, at_ms: int) -> None:
        if _is_current(row, at_ms):
            self._put(event, row | {"drawn": max(0, row["drawn"] + quantity)})
            return
        start, end = _own_period(row, at_ms) or of_key
        begins = {"drawn_from": start, "drawn_until": end, "counts_from": event["originator_version"]}
        self._put(event, row | begins | {"drawn": max(0, quantity)})

    def _give_back(self, event: Event, line: Line | None) -> None:
        """Only what a cap has counted returns to it."""
        if line is None or line.is_late:
            return
        for row in list(self._of_member(event, event["workspace_id"], event["subject_id"])):
            counted_since_ms = 0 if row["drawn_from"] is None else to_ms(row["drawn_from"])
            is_counted = line.version >= row["counts_from"] and line.recorded_at_ms >= counted_since_ms
            if is_counted and row["version"] < event["originator_version"]:
                self._put(event, row | {"drawn": max(0, row["drawn"] + event["adjustment"])})

    def _of_member(self, drawn: Any, workspace_id: str, subject_id: str) -> Iterator[Row]:
        """The caps that hold under which a member draws a key."""
        for row in self._rows.values():
            is_of_key = (row["workspace_id"], row["resource_key"]) == (workspace_id, drawn["resource_key"])
            if is_of_key and row["amount"] is not None and row["subject_id"] in ("", subject_id):
                yield row

    def _fresh(self, event: Event) -> list[Row]:
        """The rows that have not taken an event in: all, unless it is a repeat."""
        return [row for row in self._rows.values() if row["version"] < event["originator_version"]]

    def _put(self, event: Event, row: Row) -> None:
        row["version"] = event["originator_version"]
        self._rows[_key(row)] = self._changed[_key(row)] = row

    _TAKES: ClassVar[dict[str, Callable[[Members, Event], None]]] = {
        "UsageRecorded": _draw,
        "MemberCapped": _cap,
        "OverrideSet": _override,
        "OverrideCleared": _override_over,
        "OverrideExpired": _override_over,
        "HoldingChanged": _held,
        "UsageReleased": _released,
        "QuotaReset": _reset,
        "PoolOpened": _count_by,
        "CalendarChanged": _count_by,
    }


def _key(row: Row) -> tuple[str, str, str, str]:
    return row["workspace_id"], row["subject_id"], row["resource_key"], row["override_id"]


def _is_current(row: Row, at_ms: int) -> bool:
    """Whether what was drawn counts at an instant; nothing was before the first time."""
    start, end = row["drawn_from"], row["drawn_until"]
    if start is None and end is None:
        return bool(row["drawn"])
    return (start is None or to_ms(start) <= at_ms) and (end is None or at_ms < to_ms(end))


def _own_period(row: Row, at_ms: int) -> Bounds | None:
    if row["period"] is None:
        return None
    start_ms, end_ms = period_bounds(row["period"], at_ms, Calendar(row["time_zone"], None))
    return _instant(start_ms), _instant(end_ms)


def _instant(ms: int | None) -> datetime | None:
    return None if ms is None or ms >= NEVER_MS else from_ms(ms)
