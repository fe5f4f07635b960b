"""May the new version read the old one? Held against what fastavro really reads."""

from __future__ import annotations

import copy
import random
from io import BytesIO
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entitlements_schemas import names, text
from entitlements_schemas.compatibility import why_unreadable
from entitlements_schemas.testing import records_of

INSTANT = {"type": "long", "logicalType": "timestamp-millis"}


def record(*fields: dict[str, Any], name: str = "Sample") -> dict[str, Any]:
    return {"type": "record", "name": name, "namespace": "test", "fields": list(fields)}


def field(type_: Any, name: str = "value", **others: Any) -> dict[str, Any]:
    return {"name": name, "type": type_, **others}


def enum(*symbols: str, **others: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "Colour", "symbols": list(symbols), **others}


def problems(written: dict[str, Any], wanted: dict[str, Any]) -> list[str]:
    return why_unreadable(written=written, wanted=wanted)


@pytest.mark.parametrize("name", names())
def test_every_schema_reads_itself(name: str) -> None:
    assert problems(text(name), text(name)) == []


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        (record(), record(field("string", default=""))),
        (record(field("string")), record()),
        (record(field("int")), record(field("long"))),
        (record(field("int")), record(field(["null", "long"]))),
        (record(field("string")), record(field("bytes"))),
        (record(field(enum("red"))), record(field(enum("red", "blue")))),
        (record(field(enum("red", "blue"))), record(field(enum("red", default="red")))),
        (record(field("string", "old")), record(field("string", "new", aliases=["old"]))),
        (record(field({"type": "array", "items": "int"})), record(field({"type": "array", "items": "long"}))),
        (record(field({"type": "map", "values": "int"})), record(field({"type": "map", "values": "long"}))),
        (record(field(["null", "string"])), record(field(["null", "long", "string"]))),
        (record(), record(field(["null", INSTANT], default=None))),
    ],
)
def test_what_can_be_read(written: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert problems(written, wanted) == []


@pytest.mark.parametrize(
    ("written", "wanted", "why"),
    [
        (record(), record(field("string")), "value: is new and has no default"),
        (record(field("long")), record(field("int")), "value: long is read as int"),
        (record(field("string", "old")), record(field("string", "new")), "new: is new and has no default"),
        (record(field(["null", "string"])), record(field("string")), "value: null is read as string"),
        (record(field("long")), record(field(["null", "string"])), "value: no branch of the union reads long"),
        (record(field(enum("red", "blue"))), record(field(enum("red"))), "test.Colour lacks blue"),
        (record(), record(name="Other"), "test.Sample is read as test.Other"),
        (record(field(INSTANT)), record(field("long")), "value: timestamp-millis is read as long"),
        (record(field("int")), record(field(INSTANT)), "value: int is read as timestamp-millis"),
        (record(), record(field(INSTANT, default=0)), "value: is new and has a logical type"),
        (
            record(field({"type": "array", "items": record(name="Line")})),
            record(field({"type": "array", "items": record(field("int", "n"), name="Line")})),
            "value[].n: is new and has no default",
        ),
        (
            record(field({"type": "fixed", "name": "Hash", "size": 16})),
            record(field({"type": "fixed", "name": "Hash", "size": 32})),
            "test.Hash changed its size",
        ),
    ],
)
def test_what_cannot_be_read_and_why(written: dict[str, Any], wanted: dict[str, Any], why: str) -> None:
    assert any(why in problem for problem in problems(written, wanted))


def test_a_recursive_type_is_compared_once() -> None:
    tree = record(field(["null", "test.Tree"], "left", default=None), name="Tree")
    assert problems(tree, copy.deepcopy(tree)) == []


def test_a_change_deep_inside_a_frame_is_found() -> None:
    wanted = text("entitlements.ledger.Frame")
    items = next(f for f in wanted["fields"] if f["name"] == "events")["type"]["items"]
    next(i for i in items if isinstance(i, dict) and i["name"] == "PoolOpened")["fields"].append(field("int", "extra"))
    assert problems(text("entitlements.ledger.Frame"), wanted)


def mutated(definition: dict[str, Any], seed: int) -> dict[str, Any]:
    """The definition with one to three random changes of the kind that people make."""
    chosen = random.Random(seed)
    made = copy.deepcopy(definition)
    fields = made["fields"]
    for number in range(chosen.randint(1, 3)):
        change = chosen.choice(["add", "add with default", "drop", "widen", "narrow", "nullable", "retype"])
        target = chosen.choice(fields) if fields else field("string")
        if change.startswith("add"):
            default = {"default": "x"} if change == "add with default" else {}
            fields.append(field("string", f"added_{number}", doc="", **default))
        elif change == "drop" and len(fields) > 1:
            fields.remove(target)
        elif change == "nullable" and isinstance(target["type"], str):
            target.pop("default", None)
            target["type"] = ["null", target["type"]]
        elif change == "retype":
            target.pop("default", None)
            target["type"] = chosen.choice(["string", "boolean", "bytes", "long"])
        elif change in {"widen", "narrow"} and str(target["type"]) in {"int", "long"}:
            target["type"] = "long" if change == "widen" else "int"
    return made


SIMPLE = [
    "entitlements.commands.OpenPool",
    "entitlements.commands.DefineResourceKey",
    "entitlements.commands.ReleaseUsage",
    "entitlements.events.GrantIssued",
    "entitlements.changes.QuotaExceeded",
    "entitlements.entities.Quarantined",
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(name=st.sampled_from(SIMPLE), seed=st.integers(0, 10**9), data=st.data())
def test_fastavro_reads_whatever_is_called_readable(name: str, seed: int, data: st.DataObject) -> None:
    written, wanted = text(name), mutated(text(name), seed)
    if problems(written, wanted):
        return
    value = data.draw(records_of(written))
    out = BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(written), value)
    read = fastavro.schemaless_reader(
        BytesIO(out.getvalue()), fastavro.parse_schema(text(name)), fastavro.parse_schema(wanted)
    )
    assert isinstance(read, dict)
    assert set(read) == {f["name"] for f in wanted["fields"]}
