"""What every request says beside its body: who asks, how the answer is wanted, what must be included in it. And how it is answered."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import orjson
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.auth import identity_of, require
from entitlements.api.auth.acting import may_act_for
from entitlements.api.auth.errors import OutsideUnit
from entitlements.api.http_caching import VARY
from entitlements.api.identity import Identity, Scope, Unauthenticated
from entitlements.api.problems import Problem
from entitlements.api.services import Services
from entitlements.domain.ids import DERIVED, is_derived
from entitlements.domain.lines import id_under_key
from entitlements.domain.values import is_id
from entitlements.errors import ServerIsAway
from entitlements.ledger.caller import Outcome

_log = logging.getLogger(__name__)

#: Headers of our own.
CONSISTENCY: Final = "entitlements-consistency"
REPLAY: Final = "idempotent-replay"
_TOKEN: Final = re.compile(r"\d{1,6}:\d{1,18}")


_CHARSET: Final = re.compile(r""";\s*charset\s*=\s*["']?([^"';\s]*)""", re.IGNORECASE)
#: What UTF-8 is called, and its part that others call by a name of its own.
_UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
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


async def still_let_in(request: Request) -> bool:
    """Whether the door would let this request in now as well: for answers that take long. While nobody can say, what it said holds."""
    services, authorization = services_of(request), request.headers.getlist("authorization")[-1]
    try:
        identity = services.authenticator.known(authorization)
        if identity is None:
            identity = await services.in_thread(services.authenticator.identify, authorization)
    except Unauthenticated:
        return False
    except ServerIsAway as error:
        _log.debug("It goes on, though nobody can say whether its key does: %s", error)
        return True
    operator = services.settings.operator_organization
    return may_act_for(identity, identity_of(request.scope).organization_id, operator)


def require_utf_8(request: Request) -> None:
    """JSON is UTF-8 (RFC 8259, 8.1): a body that says otherwise would be read as another text. Raises Problem: unsupported_media_type."""
    said = request.headers.get("content-type", "")
    found = _CHARSET.search(said) if ";" in said else None
    if found is not None and found[1].lower() not in _UTF_8:
        raise Problem("unsupported_media_type", f"JSON is UTF-8, not {found[1]}.")


def key_of(request: Request) -> str | None:
    """The request's idempotency key. Raises Problem: invalid_id; invalid_request: there are several."""
    keys = request.headers.getlist("idempotency-key")
    if len(keys) > 1:
        raise Problem("invalid_request", "A request has one Idempotency-Key; this one has several.")
    key = keys[0] if keys else None
    # Nobody can tell in which encoding a header is that is not ASCII (RFC 9110, 5.5): the usage would have another id than was meant.
    if key is not None and (not is_id(key) or is_derived(key) or not (key.isascii() and key.isprintable())):
        form = f"1 to 128 printable ASCII characters and does not begin with {DERIVED}"
        raise Problem("invalid_id", f"An Idempotency-Key has {form}.")
    return key


def key_within(key: str | None, place: int) -> str | None:
    """The key of one of many under the key of all of them: the first has that key itself."""
    return None if key is None else id_under_key(key, place)


def wants_no_answer(request: Request) -> bool:
    """Whether `Prefer: respond-async` is said (RFC 7240)."""
    said = ",".join(request.headers.getlist("prefer")).lower()
    return any(part.strip() == "respond-async" for part in said.split(","))


def at_least(request: Request) -> dict[int, int] | None:
    """What must be included in what is read: by partition an offset of the ledger. Raises Problem: invalid_consistency_token."""
    tokens = request.headers.getlist(CONSISTENCY)  # Several lines are one list (RFC 9110, 5.3).
    return positions_of(",".join(tokens)) if tokens else None


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
            raise Problem("invalid_consistency_token", "A consistency token is what an answer had in its header.")
        partition, offset = (int(number) for number in part.split(":"))
        found[partition] = max(found.get(partition, -1), offset)
    return found


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
