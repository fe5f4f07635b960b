"""What every field of a command keeps to, whoever wrote the command: ids have bounds, and numbers can be written down."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any, Final

from entitlements.domain.commands import Command
from entitlements.domain.errors import InvalidCommand, InvalidId, InvalidQuantity
from entitlements.domain.values import QUANTITY_MAX, is_id


def check_fields(command: Command) -> None:
    """Every id has 1 to 128 characters, and every number can be written down or counted, whoever wrote the command."""
    kind: type = type(command)
    for name, characters_min in _ids_of(kind):
        value = getattr(command, name)
        if value is not None and not is_id(value, characters_min):
            raise InvalidId(f"{name} has {len(value)}, or a zero character")
    for name, value in vars(command).items():
        if isinstance(value, str) and "\0" in value:
            raise InvalidCommand(f"{name} holds a zero character")
    for name in _NUMBERS_OF_32_BITS:
        number = getattr(command, name, None)
        if number is not None and not -(2**31) <= number < 2**31:
            raise InvalidCommand(f"{name} has more than 32 bits")
    if getattr(command, "sequence", 0) < 0:
        raise InvalidCommand("a sequence begins at 0 or above")
    for name in _QUANTITIES:
        quantity = getattr(command, name, 1)
        if not 0 < quantity <= QUANTITY_MAX:
            raise InvalidQuantity(str(quantity))


#: Avro's int and Postgres' integer, of which writers take more than readers find.
_NUMBERS_OF_32_BITS: Final = ("rung", "then_rung", "set_version", "then_set_version", "priority")
_QUANTITIES: Final = ("quantity", "then_quantity")
_ALSO_IDS: Final = frozenset({"resource_key", "idempotency_key", "ladder", "source"})


@cache
def _ids_of(kind: type[Any]) -> tuple[tuple[str, int], ...]:
    """The names of a command's ids, each with the least of characters: one that defaults to empty may be empty."""
    ids = (field for field in fields(kind) if field.name.endswith("_id") or field.name in _ALSO_IDS)
    return tuple((field.name, 0 if field.default == "" else 1) for field in ids)
