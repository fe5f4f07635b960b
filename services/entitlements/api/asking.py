"""What every request says beside its body: who asks, how the answer is wanted, what must be included in it. And how it is answered."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from urllib.parse import unquote_to_bytes

import orjson
from pydantic import BaseModel
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.auth import answering_of, identity_of, require
from entitlements.api.auth.acting import may_act_for
from entitlements.api.auth.errors import OutsideUnit
from entitlements.api.http_caching import VARY
from entitlements.api.identity import Identity, Scope, Unauthenticated
from entitlements.api.openapi import headers as openapi_headers
from entitlements.api.openapi.headers import IDEMPOTENCY_KEY, IF_NONE_MATCH, PREFER, require_taken
from entitlements.api.problems import Problem
from entitlements.api.services import Services
from entitlements.domain.ids import DERIVED, derived_id, is_derived
from entitlements.domain.lines import id_under_key
from entitlements.domain.values import is_id
from entitlements.errors import ServerIsAway
from entitlements.ledger.caller import Outcome

T = TypeVar("T")

_log = logging.getLogger(__name__)

#: Headers of our own.
CONSISTENCY: Final = "entitlements-consistency"
REPLAY: Final = "idempotent-replay"
_CONSISTENCY: Final = CONSISTENCY.encode()
#: Bytes of a body that is read in the loop: at worst a millisecond.
PARSED_AT_ONCE_BYTES: Final = 16 * 1024
#: Bytes of a list that are read at once beside the loop: two milliseconds, for which nobody else has the interpreter.
SLICE_BYTES: Final = 256 * 1024
_SENT_BACK: Final = "Use the value of the response header Entitlements-Consistency."
_TOKEN: Final = re.compile(r"\d{1,6}:\d{1,18}")

#: Stands for a slash within a segment of a path: nothing that is decoded from UTF-8 holds it.
_SLASH: Final = "\udc2f"


class _Segment(StringConvertor):
    """A segment of a path, as it was meant."""

    def convert(self, value: str) -> str:
        return value.replace(_SLASH, "/")


register_url_convertor("str", _Segment())


def path_of(scope: Mapping[str, Any]) -> str:
    """The path by which a route is found: a slash that an id holds (%2F) ends none of its segments.

    Raises Problem: invalid_path. What is not UTF-8 would be read as another id, or none.
    """
    raw = scope.get("raw_path", b"").partition(b"?")[0]
    try:
        if b"%" in scope.get("query_string", b""):
            unquote_to_bytes(scope["query_string"]).decode()
        if b"%" not in raw and raw.isascii():
            return str(scope["path"])
        return "/".join(unquote_to_bytes(part).decode().replace("/", _SLASH) for part in raw.split(b"/"))
    except UnicodeDecodeError:
        raise Problem("invalid_path", "The URL is not valid UTF-8.") from None


def services_of(request: Request) -> Services:
    """The servers of this worker."""
    services: Services = request.app.state.services
    return services


def who(request: Request, scope: Scope, *, within_unit: bool = False) -> Identity:
    """Who asks, if they may. Raises InsufficientScope, OutsideUnit.

    within_unit: the route sees to it that a key which is bound to a unit reaches nothing else. No other route is open to such a key.
    """
    identity = identity_of(request.scope)
    require(identity, scope)
    if identity.unit_id and not within_unit:
        raise OutsideUnit
    return identity


async def who_for(request: Request, scope: Scope, customer_ids: Iterable[str]) -> Identity:
    """Who asks, if they may, and about these customers. Raises as who."""
    identity = who(request, scope, within_unit=True)
    if identity.unit_id:
        await services_of(request).units.require(identity, customer_ids)
    return identity


def hold_questions(request: Request, count: int) -> None:
    """Count what a call of many asks for, until it is answered. Raises TooManyRequests: too many are under way."""
    answering_of(request.scope).ask(count)


async def parsed(request: Request, body: bytes, parse: Callable[[bytes], T]) -> T:
    """What a body says; a large one is read beside the loop, organizations in turns. Raises TooManyRequests, and what parse raises."""
    if len(body) <= PARSED_AT_ONCE_BYTES:
        return parse(body)
    return await services_of(request).compute(identity_of(request.scope).organization_id, parse, body)


async def still_let_in(request: Request) -> bool:
    """Whether the door would let this request in now as well: for answers that take long. While nobody can say, what it said holds."""
    services, authorization = services_of(request), request.headers.getlist("authorization")[-1]
    try:
        identity = services.authenticator.known(authorization)
        if identity is None:
            own = identity_of(request.scope).organization_id
            identity = await services.in_thread(own, services.authenticator.identify, authorization)
    except Unauthenticated:
        return False
    except ServerIsAway as error:
        _log.debug("Keeping the stream open, its key cannot be verified: %s", error)
        return True
    operator = services.settings.operator_organization
    return may_act_for(identity, identity_of(request.scope).organization_id, operator)


def key_of(request: Request) -> str | None:
    """The request's idempotency key. Raises Problem: invalid_id; invalid_request: there are several."""
    require_taken(request.scope, IDEMPOTENCY_KEY)
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise Problem("invalid_request", "Send one Idempotency-Key, not several.")
    key = keys[0] if keys else None
    if key is not None and not is_key(key):
        form = f"1 to 128 printable ASCII characters and does not begin with {DERIVED}"
        raise Problem("invalid_id", f"An Idempotency-Key must have {form}.")
    return key


def is_key(text: str) -> bool:
    """Whether a header can be an idempotency key.

    Nobody can tell in which encoding one is that is not ASCII (RFC 9110, 5.5): the usage would have another id than was meant.
    """
    return is_id(text) and not is_derived(text) and text.isascii() and text.isprintable()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A place in a request that may hold several, under its idempotency key if it has one. digest: of all of them, in their order."""

    key: str | None
    place: int = 0
    digest: str = ""

    @property
    def id(self) -> str | None:
        """The id of what it makes, where it states none: the first has the key itself; None: there is no key."""
        return None if self.key is None else id_under_key(self.key, self.place)

    @property
    def command_key(self) -> str | None:
        """The key of its command: of several each has its own, and all of them are under that of the request."""
        return self.key if self.key is None or not self.digest else derived_id("part", self.key, self.place)

    def of_batch(self) -> dict[str, Any]:
        """What its command carries of the request: the same in another order, or with another part, is another request."""
        return {"batch_key": self.key, "batch_digest": self.digest} if self.key is not None and self.digest else {}


async def parts_of(request: Request, bodies: Sequence[BaseModel]) -> list[Part]:
    """The places of a request that holds several. Raises as key_of, TooManyRequests."""
    key, digest = key_of(request), ""
    if key is not None and len(bodies) > 1:  # Of one alone the key says which it is.
        digest = await services_of(request).compute(identity_of(request.scope).organization_id, _digest, bodies)
    return [Part(key=key, place=place, digest=digest) for place in range(len(bodies))]


def _digest(bodies: Sequence[BaseModel]) -> str:
    text = orjson.dumps([body.model_dump(mode="json") for body in bodies], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()[:32]


def wants_no_answer(request: Request) -> bool:
    """Whether `Prefer: respond-async` is said (RFC 7240)."""
    require_taken(request.scope, PREFER)
    said = ",".join(request.headers.getlist("prefer")).lower()
    return any(part.strip() == "respond-async" for part in said.split(","))


def at_least(request: Request) -> dict[int, int] | None:
    """What must be included in what is read: by partition an offset of the ledger. Raises Problem: invalid_consistency_token."""
    require_taken(request.scope, openapi_headers.CONSISTENCY)
    # Most requests have none, and to read all headers costs ten times as much as this.
    if all(name != _CONSISTENCY for name, _ in request.scope["headers"]):
        return None
    tokens = request.headers.getlist(CONSISTENCY)  # Several lines are one list (RFC 9110, 5.3).
    if not tokens:
        return None
    wanted = positions_of(",".join(tokens))
    partitions = services_of(request).settings.partitions
    if max(wanted) >= partitions:  # It will never be reached.
        raise Problem(
            "invalid_consistency_token", f"There are {partitions} partitions, and no {max(wanted)}. {_SENT_BACK}"
        )
    return wanted


async def reached(request: Request) -> dict[int, int] | None:
    """As at_least, when it is there to be read. Waited for once, however many parts of the request ask. Raises NotReachedYet too."""
    wanted = at_least(request)
    if wanted is not None:
        if not hasattr(request.state, "reached"):
            request.state.reached = asyncio.ensure_future(services_of(request).reach(wanted))
        await asyncio.shield(request.state.reached)
    return wanted


async def caught_up(request: Request) -> None:
    """Wait until the read models have all that was decided before the request: once, however many parts of it ask. Raises ServerIsAway."""
    if not hasattr(request.state, "caught_up"):
        request.state.caught_up = asyncio.ensure_future(services_of(request).catch_up())
    await asyncio.shield(request.state.caught_up)


def positions_of(token: str) -> dict[int, int]:
    """The positions that a consistency token names. Raises Problem: invalid_consistency_token."""
    found: dict[int, int] = {}
    for part in token.split(","):
        if not _TOKEN.fullmatch(part.strip()):
            raise Problem("invalid_consistency_token", _SENT_BACK)
        partition, offset = (int(number) for number in part.split(":"))
        found[partition] = max(found.get(partition, -1), offset)
    return found


def etags_of(request: Request) -> str | None:
    """The validators of what the caller has already: the header If-None-Match."""
    require_taken(request.scope, IF_NONE_MATCH)
    return request.headers.get("if-none-match")


def json_answer(document: Any, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    """An answer with a JSON document; instants in it are written with Z."""
    said = {"vary": VARY} | (headers or {})
    return Response(orjson.dumps(document, option=orjson.OPT_UTC_Z), status, said, "application/json")


def headers_of(*outcomes: Outcome) -> dict[str, str]:
    """What an answer says of the decisions behind it: where they stand, and whether all of them were made before."""
    reached: dict[int, int] = {}
    for outcome in outcomes:
        reached[outcome.partition] = max(reached.get(outcome.partition, -1), outcome.frame_offset)
    headers = {CONSISTENCY: ",".join(f"{partition}:{offset}" for partition, offset in sorted(reached.items()))}
    if outcomes and all(outcome.repeated for outcome in outcomes):
        headers[REPLAY] = "true"
    return headers
