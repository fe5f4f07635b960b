"""Bodies of commands are bounded as the log's records are: what it cannot hold is refused by its place, not where it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from entitlements.api.commands import body_of
from entitlements.domain.commands import Command, RecordUsage, RecordUsageBatch
from entitlements.ledger.records import COMMANDS
from entitlements_schemas import sources

#: Fields that the sender looks up: no body has them.
LOOKED_UP = {"ladder_rungs"}
BODIES = {name: kind for name, kind in COMMANDS.items() if kind not in {RecordUsage, RecordUsageBatch}}


def narrow_fields(node: Any, record: str, field: str = "") -> Iterator[tuple[str, str]]:
    """Record and field of everything that Avro holds in 32 bits."""
    if isinstance(node, list):
        for part in node:
            yield from narrow_fields(part, record, field)
    elif isinstance(node, dict) and node.get("type") == "record":
        for each in node["fields"]:
            yield from narrow_fields(each["type"], node["name"].rpartition(".")[2], each["name"])
    elif isinstance(node, dict):
        yield from narrow_fields(node.get("items", node["type"]), record, field)
    elif node == "int" and field not in LOOKED_UP:
        yield record, field


def bounds(schema: dict[str, Any]) -> set[tuple[int | None, int | None]]:
    parts = schema.get("anyOf", [schema])
    return {(part.get("minimum"), part.get("maximum")) for part in parts if part.get("type") == "integer"}


@pytest.mark.parametrize(("name", "kind"), BODIES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_what_the_log_holds_in_32_bits_is_bounded(name: str, kind: type[Command]) -> None:
    document = body_of(kind).model_json_schema()
    for record, field in narrow_fields(sources.schema(name), kind.__name__):
        schema = document if record == kind.__name__ else document["$defs"][record]
        assert bounds(schema["properties"][field]) == {(-(2**31), 2**31 - 1)}, (record, field)
