"""One request as a value, and how its answer is read. Nothing is sent here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from entitlements_client.deciding.instants import plain
from entitlements_client.deciding.unique import new_id
from entitlements_client.errors import NotFound, RequestError

T_co = TypeVar("T_co", covariant=True)

IDEMPOTENCY_KEY: Final = "Idempotency-Key"
CONSISTENCY: Final = "Entitlements-Consistency"
ORGANIZATION: Final = "Entitlements-Organization"
KEY_CHARACTERS_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. headers: names in lower case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    def document(self) -> Any:
        """The body as JSON. Raises ValueError where it is none."""
        return json.loads(self.content) if self.content else {}

    def problem(self) -> Mapping[str, Any]:
        """The problem that it tells; empty where it tells none that can be understood."""
        try:
            found = self.document()
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing came back. was_sent: the service may have seen the request."""

    reason: str
    was_sent: bool


@dataclass(frozen=True, kw_only=True)
class Call(Generic[T_co]):
    """A request that can be sent as often as wanted: what changes something carries its idempotency key from the start."""

    method: str
    path: str
    parse: Callable[[Answer], T_co]
    query: Sequence[tuple[str, str]] = ()
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def idempotency_key(self) -> str:
        """Empty: the call changes nothing."""
        return self.headers.get(IDEMPOTENCY_KEY, "")

    def content(self) -> bytes | None:
        """The body as it is sent. Raises RequestError: no JSON says it, such as half a surrogate pair, or NaN; so no service takes it."""
        if self.body is None:
            return None
        try:
            return json.dumps(
                self.body, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_as_text
            ).encode()
        except (TypeError, ValueError) as error:
            raise RequestError(f"({error})", status=422) from error


def _as_text(value: Any) -> Any:
    """An instant or a date as text. Raises TypeError for what is none."""
    text = plain(value)
    if text is value:
        raise TypeError(f"{type(value).__name__} is not JSON serializable")
    return text


def reading(
    path: str,
    parse: Callable[[Answer], T_co],
    *,
    body: Any = None,
    consistency: str = "",
    etag: str = "",
    query: Sequence[tuple[str, str]] = (),
    organization: str = "",
) -> Call[T_co]:
    """A question. consistency: the position that the answer must include. etag: of the answer that is known already.

    organization: whom it is asked for; empty: as the client says, or the key.
    """
    headers = naming(organization)
    if consistency:
        headers[CONSISTENCY] = consistency
    if etag:
        headers["If-None-Match"] = etag
    method = "GET" if body is None else "POST"
    return Call(method=method, path=path, parse=parse, query=query, body=body, headers=headers)


def changing(
    path: str,
    parse: Callable[[Answer], T_co],
    body: Any,
    *,
    idempotency_key: str = "",
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    organization: str = "",
) -> Call[T_co]:
    """A wish. Without a key of the caller's it gets one: every attempt carries the same, so it has one effect.

    Raises RequestError for a key that no header carries as it is.
    """
    key = idempotency_key
    if not (key.isascii() and key.isprintable() and key == key.strip() and len(key) <= KEY_CHARACTERS_MAX):
        raise RequestError(
            f"An idempotency key must have 1 to {KEY_CHARACTERS_MAX} printable ASCII characters, without leading or trailing spaces. ({key!r})",
            {"code": "invalid_id"},
            422,
        )
    said = {**(headers or {}), **naming(organization), IDEMPOTENCY_KEY: idempotency_key or new_id()}
    return Call(method=method, path=path, parse=parse, body=body, headers=said)


def naming(organization: str) -> dict[str, str]:
    """The header that names the organization of a request; empty: none. Percent-encoded, as headers are ASCII. Raises RequestError."""
    try:
        return {ORGANIZATION: quote(organization, safe="")} if organization else {}
    except UnicodeEncodeError as error:
        raise RequestError(f"({error})", status=422) from error


#: What clients and proxies take out of a path, percent-encoded or not (RFC 3986, 6.2.2.3).
NO_SEGMENTS: Final = (".", "..")


def path_id(text: str) -> str:
    """An id as a segment of a path. Raises RequestError; NotFound for what no path can name: it would name something else."""
    if not text or text in NO_SEGMENTS:
        raise NotFound(f"({text!r} is not a valid id)", status=404)
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise RequestError(f"({error})", status=422) from error


def key_of(*parts: str | int) -> str:
    """A key that follows from parts: the same for the same, another for all others. They are hashed with their lengths."""
    text = "".join(f"{len(part)}:{part}" for part in map(str, parts))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def without_none(**fields: Any) -> dict[str, Any]:
    """The fields that say something."""
    return {name: value for name, value in fields.items() if value is not None and value != ""}
