"""What caching has to know of a view's document: which position it includes, and until when it says anything at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
import orjson

_FAR: Final = float("inf")


class _AsOf(msgspec.Struct):
    position: str = ""


class _Entry(msgspec.Struct):
    valid_until: datetime | None = None


class _View(msgspec.Struct):
    as_of: _AsOf = msgspec.field(default_factory=_AsOf)
    entitlements: dict[str, _Entry] = msgspec.field(default_factory=dict)


_DECODER: Final = msgspec.json.Decoder(_View)


@dataclass(frozen=True, slots=True)
class Facts:
    """position: what the view includes. valid_until: seconds since 1970 when the first of its entries ends; inf: none does."""

    position: Mapping[int, int]
    valid_until: float


def facts_of(document: bytes) -> Facts:
    """The facts of a view's document. Raises ValueError for what is none: nothing may be kept of which this is not known."""
    try:
        view = _DECODER.decode(document)
    except msgspec.MsgspecError as error:
        raise ValueError(f"no view: {error}") from error
    ends = (entry.valid_until.timestamp() for entry in view.entitlements.values() if entry.valid_until is not None)
    return Facts(position_of(view.as_of.position), min(ends, default=_FAR))


def exactly(document: Mapping[str, Any]) -> bytes:
    """As JSON, in as much memory as it is long: what orjson returns keeps 8 KB and more, and views are kept by the thousand."""
    return bytes(memoryview(orjson.dumps(document)))


def position_of(text: str) -> dict[int, int]:
    """A position by its form "partition:offset,partition:offset". Raises ValueError."""
    pairs = (pair.split(":") for pair in text.split(",") if pair)
    return {int(partition): int(offset) for partition, offset in pairs}


def position_to_text(position: Mapping[int, int]) -> str:
    """The form of a position in documents, tokens and caches."""
    return ",".join(f"{partition}:{offset}" for partition, offset in sorted(position.items()))
