"""Reads the bodies of questions: of one, and of many, which are read in slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request

from entitlements.api.asking import SLICE_BYTES, parsed, services_of
from entitlements.api.auth import identity_of
from entitlements.api.problems import Problem
from entitlements.api.question_bodies import Check, Checks, ChecksApart
from entitlements.api.repeats import require_no_repeats, without_spaces
from entitlements.api.turns import slices_of_bytes
from entitlements.api.validation import explained_decoding

T = TypeVar("T")

_DECODE: Final = msgspec.json.Decoder(Check).decode
_DECODE_MANY: Final = msgspec.json.Decoder(Checks).decode
_DECODE_APART: Final = msgspec.json.Decoder(ChecksApart).decode
_DECODE_SOME: Final = msgspec.json.Decoder(list[Check]).decode
_FIELDS: Final = frozenset(field.name for kind in (Check, Checks) for field in msgspec.structs.fields(kind))


def one_question(body: bytes) -> Check:
    """The question of a body. Raises Problem."""
    return _decoded(body, _DECODE)


async def questions_of(request: Request, body: bytes) -> list[Check]:
    """The questions of a call of many; of a large body in slices, with a turn for each. Raises as parsed."""
    if len(body) > SLICE_BYTES and (parts := await parsed(request, body, _parts)):
        compute, organization_id = services_of(request).compute, identity_of(request.scope).organization_id
        found: list[Check] = []
        for those in slices_of_bytes(parts, SLICE_BYTES):
            if (some := await compute(organization_id, _some, those)) is None:
                break
            found += some
        else:
            return Checks(checks=found).all_of_them()
    return await parsed(request, body, _many)  # Whatever is wrong with it is told of the whole.


def _parts(body: bytes) -> list[bytes]:
    """The checks of a body that has nothing else, each once, as JSON. Empty: it has more, or is wrong."""
    try:
        parts = [bytes(part) for part in _DECODE_APART(body).checks]
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    # What else may have stood there would have a name with a colon of its own, as it is without spaces.
    rest = without_spaces(body).count(b'":') - sum(without_spaces(part).count(b'":') for part in parts)
    return parts if rest == 1 else []


def _some(parts: Sequence[bytes]) -> list[Check] | None:
    """Some checks; None: one of them is wrong."""
    body = b"[" + b",".join(parts) + b"]"
    try:
        found = _DECODE_SOME(body)
        require_no_repeats(body)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError, Problem):
        return None
    return found


def _many(body: bytes) -> list[Check]:
    return _decoded(body, _DECODE_MANY).all_of_them()


def _decoded(body: bytes, decode: Callable[[bytes], T]) -> T:
    try:
        found = decode(body)
        require_no_repeats(body)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise explained_decoding(error, body, _FIELDS) from error
    return found
