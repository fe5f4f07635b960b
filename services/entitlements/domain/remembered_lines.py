"""Recorded lines of usage under their ids. A busy pool remembers millions: what many have alike is in memory once."""

from __future__ import annotations

from array import array
from functools import lru_cache
from typing import Any, Final, NamedTuple

from entitlements.domain.pool_parts import LineBody, RememberedLine, RememberedPart, borne_whole
from entitlements.domain.remembered import Remembered
from entitlements.domain.remembered_chunks import Chunk, Row
from entitlements.domain.values import UsageMode


class LineKind(NamedTuple):
    """What a remembered line has in common with others: all but its id, its quantity and when it was."""

    resource_key: str
    mode: UsageMode
    workspace_id: str
    #: The contribution that bears all of it, or else the parts.
    borne_by: str | tuple[RememberedPart, ...]
    counted_in: int
    subject_id: str
    reservation_id: str


#: The same object for the same kind, as long as there are not too many of them.
_shared_kind: Final = lru_cache(maxsize=16_384)(LineKind)


def kind_of(*fields: Any) -> LineKind:
    """The kind of these fields."""
    # A reservation has one line, or few: it is of no kind that others are of.
    return LineKind(*fields) if fields[-1] else _shared_kind(*fields)


def _borne_by(parts: tuple[RememberedPart, ...], quantity: int) -> str | tuple[RememberedPart, ...]:
    if len(parts) == 1 and parts == borne_whole(parts[0].provision_id, quantity):
        return parts[0].provision_id
    return parts


class LineChunk(Chunk[RememberedLine]):
    """Recorded lines under their ids."""

    __slots__ = ("kinds", "occurred_at", "quantities", "turns")

    columns = ("keys", "at_ms", "occurred_at", "quantities", "turns", "kinds")

    occurred_at: array[int]
    quantities: array[int]
    turns: array[int]
    kinds: list[LineKind]

    def value(self, row: int) -> RememberedLine:
        if self.rows is None:
            kind, quantity = self.kinds[row], self.quantities[row]
            resource_key, mode, workspace_id, borne_by, counted_in, subject_id, reservation_id = kind
            body = resource_key, quantity, mode, workspace_id, self.occurred_at[row]
            at_ms, turn = self.at_ms[row], self.turns[row]
        else:
            _, at_ms, turn, body, borne_by, counted_in, subject_id, reservation_id = self.rows[row]
        parts = borne_whole(borne_by, body[1]) if isinstance(borne_by, str) else borne_by
        # Half the time of calling the class.
        return tuple.__new__(RememberedLine, (at_ms, body, turn, counted_in, subject_id, reservation_id, parts))

    @staticmethod
    def columns_of(rows: list[Row]) -> tuple[Any, ...]:
        keys, at_ms, turns, bodies, *rest = zip(*rows, strict=True)
        resource_keys, quantities, modes, workspaces, occurred_at = zip(*bodies, strict=True)
        kinds = list(map(kind_of, resource_keys, modes, workspaces, *rest))
        return list(keys), array("q", at_ms), array("q", occurred_at), array("q", quantities), array("q", turns), kinds

    @staticmethod
    def rows_of(*columns: Any) -> list[Row]:
        return [
            (key, at_ms, turn, (kind[0], quantity, *kind[1:3], occurred_at), *kind[3:])
            for key, at_ms, occurred_at, quantity, turn, kind in zip(*columns, strict=True)
        ]

    def bear_anew(self, row: int, parts: tuple[RememberedPart, ...]) -> None:
        """Other parts bear a line than did before."""
        self.stored_as = None
        if self.rows is not None:
            *before, body, _, counted_in, subject_id, reservation_id = self.rows[row]
            self.rows[row] = *before, body, _borne_by(parts, body[1]), counted_in, subject_id, reservation_id
        else:
            kinds = self.kinds[:]
            kinds[row] = kinds[row]._replace(borne_by=_borne_by(parts, self.quantities[row]))
            self.kinds = kinds


class RememberedLines(Remembered[LineChunk, RememberedLine]):
    """Recorded lines under their ids."""

    __slots__ = ()

    chunk = LineChunk

    def remember(self, usage_id: str, line: RememberedLine) -> None:
        """Remember a line."""
        at_ms, body, turn, *rest, parts = line
        self.add(usage_id, (usage_id, at_ms, turn, body, _borne_by(parts, body[1]), *rest))

    def remember_usual(self, usage_id: str, at_ms: int, turn: int, body: LineBody, provision_id: str) -> None:
        """As remember, of a line that counts in the period under way and that one contribution bears whole."""
        self.add(usage_id, (usage_id, at_ms, turn, body, provision_id, 0, "", ""))

    def bear_anew(self, usage_id: str, parts: tuple[RememberedPart, ...]) -> None:
        """Other parts bear a line than did before."""
        chunk = self._dict_of(usage_id)[usage_id]
        chunk.bear_anew(self._row(chunk, usage_id), parts)
