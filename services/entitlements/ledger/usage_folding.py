"""Usage from the bytes of frames into the state: the short way of folding, as domain/usage.py has one of deciding.

Nearly all events of a ledger are usage whose every line one contribution bears whole, in the period under way. Of those the fold
needs a few fields and no object. Their bytes are matched (USUAL_EVENTS), and what is said of them is counted if it has no other
effect. Whatever else there is goes the long way: read as a record, made an event, mutated. A test folds all histories both ways.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from entitlements.domain.entitlement import Entitlement
from entitlements.domain.pools import ResourcePool
from entitlements.domain.taking import count_usual, is_usual
from entitlements.domain.values import UsageMode
from entitlements_schemas import plain_schema
from entitlements_schemas.compiled import reader_of
from entitlements_schemas.compiled.patterns import EMPTY, KEPT, PASSED, items_of, pattern_of
from entitlements_schemas.compiled.values import WRITTEN_LONGS_IN as LONGS
from entitlements_schemas.compiled.values import WRITTEN_TEXTS_IN as TEXTS

RECORDED: Final = "entitlements.events.UsageRecorded"
REFUSED: Final = "entitlements.events.UsageRefused"

_LINE: Final = items_of(
    plain_schema("entitlements.entities.RecordedLine"),
    {
        "resource_key": KEPT,
        "quantity": KEPT,
        "overage": EMPTY,
        "mode": KEPT,
        "occurred_at": KEPT,
        "recorded_at": KEPT,
        "workspace_id": KEPT,
        "usage_id": KEPT,
        "provision_id": KEPT,
        "late": EMPTY,
        "details": EMPTY,
    },
)
_TOTAL: Final = items_of(
    plain_schema("entitlements.entities.UsageTotal"),
    {
        "resource_key": KEPT,
        "period_start": KEPT,
        "period_end": KEPT,
        "consumed": PASSED,
        "elsewhere": PASSED,
        "owed": PASSED,
    },
)
_HEAD: Final = {"originator_id": KEPT, "originator_version": KEPT, "timestamp": KEPT, "sources": EMPTY}
_REFUSED_LINE: Final = items_of(
    plain_schema("entitlements.entities.RefusedLine"),
    {
        "resource_key": KEPT,
        "quantity": PASSED,
        "occurred_at": PASSED,
        "recorded_at": PASSED,
        "workspace_id": PASSED,
        "usage_id": PASSED,
        "code": PASSED,
        "remaining": PASSED,
        "subject_id": PASSED,
    },
)
#: What is matched in frames, by full name.
USUAL_EVENTS: Final[dict[str, re.Pattern[bytes]]] = {
    RECORDED: re.compile(
        pattern_of(plain_schema(RECORDED), {**_HEAD, "lines": _LINE, "totals": _TOTAL, "actor": PASSED})
    ),
    REFUSED: re.compile(pattern_of(plain_schema(REFUSED), {**_HEAD, "lines": _REFUSED_LINE, "actor": PASSED})),
}
_LINES: Final = re.compile(_LINE)
_TOTALS: Final = re.compile(_TOTAL)
_REFUSED_LINES: Final = re.compile(_REFUSED_LINE)

#: An array of one item; nothing, in a text; and the groups of an event: see the fields above.
_ONE: Final = b"\x02"
_NOTHING: Final = b"\x00"
_MODES: Final[dict[bytes, UsageMode]] = {b"\x00": "strict", b"\x02": "report"}
Line = tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
Total = tuple[bytes, bytes, bytes]


def read_whole(name: str, match: re.Match[bytes]) -> dict[str, Any]:
    """The record of an event that was matched."""
    record: dict[str, Any]
    record, end = _reader(name)(match.string, match.start())
    assert end == match.end(), "a pattern matches a record whole"
    return record


@cache
def _reader(name: str) -> Any:
    return reader_of(plain_schema(name))


def fold_usage(pools: Mapping[str, ResourcePool], name: str, match: re.Match[bytes]) -> ResourcePool | None:
    """Take usage into its pool. None: nothing is done, the long way is for it."""
    found: Any = match.groups()
    pool, version = pools.get(found[0][1:].decode()), LONGS[found[1]]
    if pool is None or version != pool.version + 1:
        return None
    count = found[3]
    if name == REFUSED:
        is_taken = count == _ONE or len(_REFUSED_LINES.findall(match.string, *match.span(5))) == LONGS[count]
    elif count == _ONE == found[13]:
        is_taken = _take_one(pool, found)
    else:
        lines = [found[5:13]] if count == _ONE else _LINES.findall(match.string, *match.span(5))
        totals = [found[15:]] if found[13] == _ONE else _TOTALS.findall(match.string, *match.span(15))
        is_taken = len(lines) == LONGS[count] and len(totals) == LONGS[found[13]] and _take_many(pool, lines, totals)
    if not is_taken:
        return None
    pool.stand_at(version, LONGS[found[2]])
    return pool


def _take_one(pool: ResourcePool, found: Any) -> bool:
    """Count one line of one key: what _take_many does, without its sums."""
    *_, key, quantity, mode, occurred_at, recorded_at, workspace_id, usage_id, provision, _, _, of, start, end = found
    entitlement, provision_id = pool.entitlements.get(TEXTS[key]), TEXTS[provision]
    if (
        entitlement is None
        or key != of
        or not _is_under_way(entitlement, start, end)
        or quantity[0] & 1  # Avro's sign.
        or not _is_usual(pool, entitlement, provision_id, LONGS[quantity])
    ):
        return False
    count_usual(entitlement, LONGS[quantity])
    if usage_id != _NOTHING:
        body = entitlement.resource_key, LONGS[quantity], _MODES[mode], TEXTS[workspace_id], LONGS[occurred_at]
        pool.remember_usual(usage_id[1:].decode(), LONGS[recorded_at], body, provision_id)
    return True


def _take_many(pool: ResourcePool, lines: Sequence[Line], totals: Sequence[Total]) -> bool:
    """Count lines if all of them are usual: one after another, or what comes to the same, those of a key together."""
    entitlements = pool.entitlements
    for key, start, end in totals:
        entitlement = entitlements.get(TEXTS[key])
        if entitlement is None or not _is_under_way(entitlement, start, end):
            return False
    sums: dict[tuple[bytes, bytes], int] = {}
    for key, quantity, _, _, _, _, _, provision in lines:
        if quantity[0] & 1:
            return False
        sums[key, provision] = sums.get((key, provision), 0) + LONGS[quantity]
    counted: list[tuple[Entitlement, int]] = []
    for (key, provision), total in sums.items():
        entitlement = entitlements.get(TEXTS[key])
        if entitlement is None or not _is_usual(pool, entitlement, TEXTS[provision], total):
            return False
        counted.append((entitlement, total))
    for entitlement, total in counted:
        count_usual(entitlement, total)
    for key, quantity, mode, occurred_at, recorded_at, workspace_id, usage_id, provision in lines:
        if usage_id != _NOTHING:
            body = TEXTS[key], LONGS[quantity], _MODES[mode], TEXTS[workspace_id], LONGS[occurred_at]
            pool.remember_usual(usage_id[1:].decode(), LONGS[recorded_at], body, TEXTS[provision])
    return True


def _is_under_way(entitlement: Entitlement, start: bytes | None, end: bytes | None) -> bool:
    """Whether a total is of the period that the entitlement counts in already. Of one without bounds the long way knows."""
    if not start or not end:
        return False
    return entitlement.period_start_ms == LONGS[start] and entitlement.period_end_ms == LONGS[end]


def _is_usual(pool: ResourcePool, entitlement: Entitlement, provision_id: str, quantity: int) -> bool:
    """Whether what a provision bears can be counted here."""
    burning = entitlement.burning
    return (
        is_usual(entitlement, quantity)
        and burning is not None
        and burning.provision_id == provision_id
        # The end of the period is scheduled already.
        and pool.due_ms <= entitlement.period_end_ms
    )
