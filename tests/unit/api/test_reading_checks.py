"""Many checks are read in slices as they are in one piece."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from entitlements.api import reading_checks
from entitlements.api.auth.door import IDENTITY
from entitlements.api.problems import Problem

CHECK = {"customer_id": "c", "resource_key": "k", "context": {"metadata": {"text": 'a ": b', "n": [1, {"x": "}"}]}}}


def read(body: bytes, slice_bytes: int) -> Any:
    """What a body says, or why it is none; and how many calls it took."""
    calls: list[Any] = []

    async def compute(_: str, function: Any, *arguments: Any) -> Any:
        calls.append(function)
        return function(*arguments)

    services = SimpleNamespace(compute=compute)
    scope = {IDENTITY: SimpleNamespace(organization_id="acme")}
    request: Any = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(services=services)), scope=scope)

    async def reading() -> Any:
        return await reading_checks.questions_of(request, body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading_checks, "SLICE_BYTES", slice_bytes)
        try:
            return asyncio.run(reading()), len(calls)
        except Problem as problem:
            return problem.document(), len(calls)


MANY = orjson.dumps({"checks": [CHECK | {"customer_id": f"c{n}"} for n in range(100)]})


@pytest.mark.parametrize(
    "body",
    [
        MANY,
        MANY.replace(b":", b" :\n "),
        MANY.replace(b'"customer_id":"c7"', b'"customer_id":7'),
        MANY.replace(b'"customer_id":"c7"', b'"customer_id":"c7","customer_id":"c8"'),
        MANY.replace(b'"customer_id":"c7"', b'"customer":"c7"'),
        MANY[:-1] + b',"checks":[]}',
        b'{"checks":[],' + MANY[1:],
        MANY[:-1] + b',"quantity":1}',
        MANY[:-1] + b',"more":1}',
        MANY[:-2],
        MANY + b" 1",
        MANY.replace(b'"n":[1', b'"n":[01'),
        MANY.replace(b"a ", b"\\ud800"),
        MANY.replace(b"a ", b"\xff"),
        orjson.dumps({"checks": [CHECK] * 10_001}),
        orjson.dumps({"customer_ids": [f"c{n}" for n in range(1_000)], "resource_keys": ["k"]}),
    ],
)
def test_slices_say_what_the_whole_says(body: bytes) -> None:
    in_slices, _ = read(body, 1_000)
    in_one_piece, _ = read(body, len(body))
    assert in_slices == in_one_piece


def test_each_slice_has_a_turn_of_its_own() -> None:
    found, calls = read(MANY, 1_000)
    assert len(found) == 100
    assert calls > len(MANY) / 1_200
