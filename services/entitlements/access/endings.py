"""Until when an answer stands by itself: the ends and the news of all that it rests on. Pure.

An end may take something away: a provision or an override ends, a provision starts that denies or lowers, a recurrence lets lapse what was
rolled over. News give only: a reset, a recurrence, a start of what adds up. Commands are neither: the stream of changes tells of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from entitlements.access.checking import PoolAnswer, deciding_overrides
from entitlements.access.standing import Row
from entitlements.domain.aggregate import NEVER_MS, from_ms, to_ms
from entitlements.domain.periods import Calendar, period_bounds

if TYPE_CHECKING:
    from entitlements_projections.reading.views import Gathered


@dataclass(slots=True)
class Instants:
    """When something that an answer rests on ends, and when there may be more of it."""

    ends: list[datetime] = field(default_factory=list)
    news: list[datetime] = field(default_factory=list)

    @property
    def ends_at(self) -> datetime | None:
        """The first end; None: nothing ends by itself."""
        return min(self.ends, default=None)

    @property
    def valid_until(self) -> datetime | None:
        """From then on the answer may be another; None: it stays as it is by itself."""
        return min([*self.ends, *self.news], default=None)

    def add(self, other: Instants, *, of_news_alone: bool = False) -> None:
        """Take in what another part of the answer rests on. of_news_alone: nothing of it is missed if it ends."""
        self.ends += [] if of_news_alone else other.ends
        self.news += [*other.ends, *other.news] if of_news_alone else other.news


class Endings:
    """Of what was gathered of many customers. A pool in backfill knows no present: nothing in it ends by itself."""

    def __init__(self, gathered: Gathered, rows: Mapping[tuple[str, str, str], Row]) -> None:
        """rows: what is had of a key from a pool, by workspace, key and pool."""
        self._at, self._rows = gathered.at, rows
        self._backfilling = {pool["pool_id"] for pool in gathered.pools if pool["backfilling"]}
        self._contributions = _by_key(gathered.contributions)
        self._overrides = _by_key(gathered.overrides)
        self._starts: dict[str, list[Row]] = {}
        for row in gathered.starts:
            self._starts.setdefault(row["pool_id"], []).append(row)

    def of_answers(
        self, workspace_id: str, key: str, answers: Iterable[PoolAnswer], later: Iterable[tuple[PoolAnswer, bool]]
    ) -> Instants:
        """Of what pools say. later: those that are not asked for one unit, and of each whether it would take more than all before it: else
        nothing is missed when it ends.
        """
        found = Instants()
        for answer, raises in [*((answer, True) for answer in answers), *later]:
            found.add(self._of_answer(workspace_id, key, answer), of_news_alone=not raises)
        return found

    def of_path(self, workspace_id: str, pool_id: str, path: Iterable[str]) -> Instants:
        """Of what grants a feature: every key on the way, from the one that is held to the one that is granted."""
        found = Instants()
        for key in path:
            found.add(self._of_key(workspace_id, pool_id, key))
        return found

    def _of_answer(self, workspace_id: str, key: str, answer: PoolAnswer) -> Instants:
        """Of what one pool says of a key: with the credits that it draws on, and what caps its members."""
        found = self._of_key(workspace_id, answer.pool_id, key)
        if answer.row is not None and answer.row["credit_key"]:
            found.add(self._of_key(workspace_id, answer.pool_id, answer.row["credit_key"]))
        if answer.pool_id not in self._backfilling:
            found.news += self._later(cap.resets_at for cap in answer.caps)
        if not answer.allowed:
            # Usage goes on from a pool that has nothing: as soon as it has, it may be the one that refuses.
            found.ends += self._later(row["starts_at"] for row in self._starting(answer.pool_id, key))
        return found

    def _of_key(self, workspace_id: str, pool_id: str, key: str) -> Instants:
        """Of what a pool has of a key itself."""
        found, row = Instants(), self._rows.get((workspace_id, key, pool_id))
        if pool_id in self._backfilling:
            return found
        contributions = self._contributions.get((pool_id, key), ())
        said = [each for each in self._overrides.get((pool_id, key), ()) if each["workspace_id"] in {"", workspace_id}]
        deciding = [each for each in deciding_overrides(said, pool_id) if each is not None]
        found.ends += self._later(each["ends_at"] for each in contributions)
        found.ends += self._later(each["expires_at"] for each in deciding)
        for start in self._starting(pool_id, key):
            instants = found.ends if key in start["lowering_keys"] else found.news
            instants += self._later([start["starts_at"]])
        if row is None or row["entitlement_type"] == "boolean":
            return found
        found.news += self._later([row["resets_at"]])
        for each in contributions:
            if each["recurs"] is not None:
                instants = found.ends if _lapses(each, row) else found.news
                instants += self._later([_recurs_at(each["recurs"], row)])
        return found

    def _starting(self, pool_id: str, key: str) -> list[Row]:
        return [
            row for row in self._starts.get(pool_id, ()) if key in row["resource_keys"] or key in row["lowering_keys"]
        ]

    def _later(self, instants: Iterable[datetime | None]) -> list[datetime]:
        return [instant for instant in instants if instant is not None and instant > self._at]


def rests_on(key: str, pool_id: str, answers: Iterable[PoolAnswer]) -> list[dict[str, str]]:
    """What an entry rests on beside its own key of its own pool: other pools that would take usage, and credits."""
    found: dict[tuple[str, str], None] = {}
    for answer in answers:
        if answer.row is not None and answer.allowed:
            found[answer.pool_id, key] = None
            if answer.row["credit_key"]:
                found[answer.pool_id, answer.row["credit_key"]] = None
    found.pop((pool_id, key), None)
    return [{"pool_id": pool, "resource_key": name} for pool, name in found]


def _lapses(contribution: Row, row: Row) -> bool:
    """Whether more may be left of a contribution than comes anew: only of one with something that was carried in."""
    if not contribution["carried"] or contribution["included_limit"] is None:
        return False
    anew = contribution["included_limit"] - contribution["carried"]
    return row["remaining"] is None or row["remaining"] > anew


def _recurs_at(recurs: str, row: Row) -> datetime | None:
    """When a contribution comes anew next (domain/taking.py); None: not before the period ends."""
    start_ms = 0 if row["period_start"] is None else to_ms(row["period_start"])
    due_ms = period_bounds(recurs, to_ms(row["at"]), Calendar(row["time_zone"], start_ms))[1]
    end_ms = NEVER_MS if row["resets_at"] is None else to_ms(row["resets_at"])
    return from_ms(due_ms) if due_ms < end_ms else None


def _by_key(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((row["pool_id"], row["resource_key"]), []).append(row)
    return found
