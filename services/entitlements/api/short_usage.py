"""The short way of POST /v1/usage: what is plainly right is decided here; whatever is not, the ordinary route reads and answers.

Nothing is refused while a request is read: a body that is not as it must be, a header that asks for more, a key that may not. So there is
one place that says what is wrong with a request, and this one is only quick.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
from starlette.types import Scope

from entitlements.api.asking import CONSISTENCY, Part, is_key
from entitlements.api.auth import identity_of
from entitlements.api.identity import Identity
from entitlements.api.media_types import is_plain_json
from entitlements.api.problems import Problem
from entitlements.api.repeats import require_no_repeats
from entitlements.domain.ids import is_derived
from entitlements.domain.values import QUANTITY_MAX, is_id
from entitlements.intake.instants import NotAnInstant, read_instant

PATH: Final = "/v1/usage"
#: Bytes of a body that is read in the loop.
_BYTES_MAX: Final = 4_096
#: Headers that ask for more than a record of usage.
_MORE: Final = frozenset({b"prefer", CONSISTENCY.encode()})


class Body(msgspec.Struct, forbid_unknown_fields=True):
    """As metering.Usage."""

    resource_key: str
    customer_id: str | None = None
    pool_id: str | None = None
    subject_id: str = ""
    quantity: Annotated[int, msgspec.Meta(ge=1, le=QUANTITY_MAX)] = 1
    mode: Literal["strict", "report"] = "strict"
    #: A text, until it is read: then an instant.
    occurred_at: Any = None
    usage_id: str | None = None


class Plain(NamedTuple):
    """A request that is plainly right."""

    identity: Identity
    usage: Body
    part: Part


_decode: Final = msgspec.json.Decoder(Body).decode


def read(scope: Scope, body: bytes) -> Plain | None:
    """What a request says; None: the ordinary route shall read it."""
    identity = identity_of(scope)
    if "use" not in identity.scopes or identity.unit_id or len(body) > _BYTES_MAX:
        return None
    key: str | None = None
    is_json = False
    for name, value in scope["headers"]:
        if name == b"content-type":
            is_json = is_plain_json(value)
        elif name == b"idempotency-key":
            if key is not None:
                return None
            key = value.decode("latin-1")
        elif name in _MORE:
            return None
    if not is_json or (key is not None and not is_key(key)):
        return None
    usage = _usage(body)
    return None if usage is None else Plain(identity, usage, Part(key=key))


def _usage(body: bytes) -> Body | None:
    try:
        said = _decode(body)
        require_no_repeats(body)
        if said.occurred_at is not None:
            said.occurred_at = read_instant(said.occurred_at)
    except (
        msgspec.ValidationError,
        msgspec.DecodeError,
        UnicodeDecodeError,
        RecursionError,
        NotAnInstant,
        TypeError,
        Problem,
    ):
        return None
    ids = [said.resource_key]
    ids += [each for each in (said.customer_id, said.pool_id) if each is not None]
    is_right = (
        len(ids) > 1
        and all(map(is_id, ids))
        and is_id(said.subject_id, 0)
        and (said.usage_id is None or (is_id(said.usage_id) and not is_derived(said.usage_id)))
    )
    return said if is_right else None
