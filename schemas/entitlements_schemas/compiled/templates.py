"""Templates of bytes: the usual form of a record for `%`, what `patterns` are for reading.

Who has the fields of a record as Avro has them, because they were read so, need not read them to write them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from entitlements_schemas.compiled.code import nullable
from entitlements_schemas.compiled.patterns import EMPTY
from entitlements_schemas.compiled.values import LONGS_OUT

#: What becomes of a field: its bytes are given. Of one that may be null they are those of the value; of an array the count and all items.
GIVEN: Final = "given"

_EMPTY: Final = b"\x00"


def template_of(record: Any, fields: Mapping[str, str]) -> bytes:
    """The template of a record of a parsed plain schema; `fields` says of each field whether it is given or empty."""
    stated = [field["name"] for field in record["fields"]]
    assert stated == list(fields), f"{record['name']} has {stated}"
    return b"".join(_field(field["type"], fields[field["name"]]) for field in record["fields"])


def _field(node: Any, what: str) -> bytes:
    if isinstance(node, list):
        null, other = nullable(node)
        assert null is not None, "a union of null and one other type"
        return _literal(null) if what == EMPTY else _literal(other) + b"%b"
    if what == EMPTY:
        return _EMPTY
    return b"%b%b" + _EMPTY if isinstance(node, dict) and node["type"] == "array" else b"%b"


def _literal(branch: int) -> bytes:
    return LONGS_OUT[branch].replace(b"%", b"%%")
