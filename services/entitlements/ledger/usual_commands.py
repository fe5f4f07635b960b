"""Commands of usage by their bytes: those that say nothing but lines, as nearly all do, are matched and not read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from entitlements.domain.pools import ResourcePool
from entitlements.domain.values import is_id
from entitlements.settings import LINES_PER_COMMAND_MAX
from entitlements_schemas import Wire, plain_schema
from entitlements_schemas.compiled.patterns import (
    EMPTY,
    KEPT,
    LEFT,
    each_of,
    first_and_rest_of,
    items_in,
    items_of,
    pattern_of,
)
from entitlements_schemas.compiled.values import LONGS_OUT
from entitlements_schemas.compiled.values import WRITTEN_LONGS_IN as LONGS
from entitlements_schemas.compiled.values import WRITTEN_TEXTS_IN as TEXTS
from entitlements_schemas.wire import PREFIX_BYTES

RECORD_USAGE: Final = "entitlements.commands.RecordUsage"
RECORD_USAGE_BATCH: Final = "entitlements.commands.RecordUsageBatch"

_LINE: Final = {
    "resource_key": KEPT,
    "quantity": KEPT,
    "mode": KEPT,
    "occurred_at": KEPT,
    "workspace_id": KEPT,
    "usage_id": KEPT,
    "subject_id": EMPTY,
}
_LINES: Final = first_and_rest_of(plain_schema("entitlements.entities.UsageLine"), _LINE)
_FURTHER_LINES: Final = re.compile(items_of(plain_schema("entitlements.entities.UsageLine"), _LINE))
_USAGE: Final = re.compile(
    pattern_of(
        plain_schema(RECORD_USAGE),
        {
            "command_id": KEPT,
            "idempotency_key": KEPT,
            "actor": KEPT,
            "caller": KEPT,
            "effective_at": EMPTY,
            "caller_organization_id": KEPT,
            "pool_id": KEPT,
            "lines": _LINES,
            "batch_key": EMPTY,
            "batch_digest": EMPTY,
        },
    )
)
_BATCH: Final = re.compile(
    pattern_of(
        plain_schema(RECORD_USAGE_BATCH),
        {
            "command_id": KEPT,
            "idempotency_key": EMPTY,
            "actor": KEPT,
            "caller": KEPT,
            "effective_at": EMPTY,
            "caller_organization_id": KEPT,
            "source": EMPTY,
            "sequence": EMPTY,
            "groups": LEFT,
        },
    )
)


def _group_schema() -> Any:
    batch: Any = plain_schema(RECORD_USAGE_BATCH)
    return batch["fields"][-1]["type"]["items"]


_GROUPS: Final = each_of(items_of(_group_schema(), {"pool_id": KEPT, "lines": _LINES}))

#: Of the fields of _LINE as Avro has them.
Line = tuple[bytes, ...]
#: Pool, number of lines, fields of the first line, and all further lines; empty: there are none.
Group = tuple[bytes, ...]
POOL, _COUNT, _FIRST, _USAGE_ID, _REST = 0, 1, slice(2, 8), 7, 8
_ONE: Final = LONGS_OUT[1]


class UsualCommand(NamedTuple):
    """A command of usage that says nothing but lines."""

    command_id: str
    #: Of usage of one pool; of a batch None.
    idempotency_key: str | None
    actor: str
    caller: str | None
    organization_id: str | None
    groups: Sequence[Group]
    lines: int
    is_batch: bool

    @property
    def pool_id(self) -> str:
        """The pool of usage of one."""
        return TEXTS[self.groups[0][POOL]]

    def is_under_its_id(self, pool: ResourcePool) -> bool:
        """Whether the key of usage of one pool, if it has one, is no more than the id of its line."""
        key = self.idempotency_key
        return key is None or (self.lines == 1 and TEXTS[self.groups[0][_USAGE_ID]] == key and key not in pool.answers)


def read_usual(wire: Wire, value: bytes | None) -> UsualCommand | None:
    """The command of the bytes, if they have the usual form."""
    if value is None:
        return None
    read = _forms(wire).get(value[:PREFIX_BYTES])
    return None if read is None else read(value)


@cache
def _forms(wire: Wire) -> dict[bytes, Callable[[bytes], UsualCommand | None]]:
    """By what a command begins with: its schema, of the newest version."""
    forms = (RECORD_USAGE, _read_usage), (RECORD_USAGE_BATCH, _read_batch)
    return {prefix: read for name, read in forms for prefix in wire.prefixes_of(name)}


def _read_usage(value: bytes) -> UsualCommand | None:
    match = _USAGE.match(value, PREFIX_BYTES)
    if match is None or match.end() != len(value):
        return None
    command_id, key, actor, caller, organization_id, *group = match.groups(b"")
    return _command(command_id, key, actor, caller, organization_id, [tuple(group)], is_batch=False)


def _read_batch(value: bytes) -> UsualCommand | None:
    head = _BATCH.match(value, PREFIX_BYTES)
    if head is None:
        return None
    *said, count = head.groups(b"")
    groups = items_in(_GROUPS, LONGS[count], value, head.end(), len(value))
    if groups is None:
        return None
    command_id, actor, caller, organization_id = said
    return _command(command_id, b"", actor, caller, organization_id, groups, is_batch=True)


def _command(
    command_id: bytes,
    key: bytes,
    actor: bytes,
    caller: bytes,
    organization_id: bytes,
    groups: Any,
    *,
    is_batch: bool,
) -> UsualCommand | None:
    lines = len(groups)
    for group in [group for group in groups if group[_COUNT] != _ONE or group[_REST]]:
        number = LONGS[group[_COUNT]]
        if number != len(lines_of(group)):
            return None
        lines += number - 1
    said = command_id[1:].decode()
    if not is_id(said) or not 0 < lines <= LINES_PER_COMMAND_MAX:
        return None
    return UsualCommand(said, _text(key), TEXTS[actor], _text(caller), _text(organization_id), groups, lines, is_batch)


def _text(written: bytes) -> str | None:
    """A text that may be null: then nothing was matched."""
    return written[1:].decode() if written else None


def count_of(group: Group) -> int:
    """How many lines it has."""
    return LONGS[group[_COUNT]]


def lines_of(group: Group) -> list[Line]:
    """Its lines."""
    rest = group[_REST]
    return [group[_FIRST], *_FURTHER_LINES.findall(rest)] if rest else [group[_FIRST]]
