"""What fields mean, said once: by the Avro schemas of commands and values, and by the comments on columns of the read models."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from pydantic import ConfigDict

from entitlements_projections.migrations import known_migrations
from entitlements_schemas.sources import sources

_COMMENT: Final = re.compile(r"^comment on column (\w+)\.(\w+) is\s+'((?:[^']|'')*)';", re.MULTILINE)


@cache
def of_columns(table: str) -> Mapping[str, str]:
    """The comment on each column of a table or view; the newest migration has the last word."""
    found = {}
    for text in known_migrations().values():
        for of_table, column, comment in _COMMENT.findall(text):
            if of_table == table:
                found[column] = " ".join(comment.replace("''", "'").split())
    assert found, f"no migration comments on columns of {table}"
    return found


@cache
def of_record(name: str) -> Mapping[str, str]:
    """What the Avro schema of a command or value says of each field; empty: there is no such schema."""
    for folder in ("commands", "entities"):
        source = sources().get(f"entitlements.{folder}.{name}")
        if source is not None and source["type"] == "record":
            return {field["name"]: field.get("doc", "") for field in source["fields"]}
    return {}


def described_by(*tables: str) -> ConfigDict:
    """The configuration of a model whose fields are columns of these tables: the first that has a column says what it means.

    The tables' workspace is the API's customer.
    """

    def describe(schema: dict[str, Any]) -> None:
        for name, field in schema.get("properties", {}).items():
            column = "workspace_id" if name == "customer_id" else name
            said = next((comments[column] for table in tables if column in (comments := of_columns(table))), None)
            if said is not None:
                field.setdefault("description", said.replace("workspace", "customer"))

    return ConfigDict(json_schema_extra=describe)
