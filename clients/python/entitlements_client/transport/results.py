"""What answers say, as values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, NotRequired, TypedDict, TypeVar

from entitlements_client.deciding import Decision
from entitlements_client.transport.call import CONSISTENCY, Answer

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Line(TypedDict):
    """A line of usage of a customer or a pool; quantity in the smallest unit of the key."""

    resource_key: str
    quantity: int
    customer_id: NotRequired[str]
    pool_id: NotRequired[str]
    #: strict: before it happens, refused whole where it does not fit. report: it happened, and is always recorded.
    mode: NotRequired[Literal["strict", "report"]]
    #: RFC 3339; without one now.
    occurred_at: NotRequired[str]
    subject_id: NotRequired[str]
    #: The same id counts once.
    usage_id: NotRequired[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Recorded usage. document: the whole response."""

    usage_id: str
    pool_id: str
    consistency_token: str
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """A reservation, for expires_in seconds from the decision, which is later than the request."""

    reservation_id: str
    pool_id: str
    resource_key: str
    quantity: int
    expires_in: int
    consistency_token: str


@dataclass(frozen=True, slots=True)
class Fetched(Generic[T_co]):
    """A document with its ETag. value: None if nothing changed."""

    value: T_co | None
    etag: str


def token_of(answer: Answer) -> str:
    """What a read sends along to include this; empty: nothing was changed."""
    return answer.headers.get(CONSISTENCY.lower(), "")


def document_of(answer: Answer) -> dict[str, Any]:
    """The body."""
    return dict(answer.document())


def changed_of(answer: Answer) -> dict[str, Any]:
    """The body, and the consistency_token of what was changed."""
    return {"consistency_token": token_of(answer)} | dict(answer.document())


def fetched(parse: Callable[[dict[str, Any]], T]) -> Callable[[Answer], Fetched[T]]:
    """Reads a document that has an ETag."""

    def read(answer: Answer) -> Fetched[T]:
        etag = answer.headers.get("etag", "")
        return Fetched(None if answer.status == 304 else parse(answer.document()), etag)

    return read


def decision_of(answer: Answer) -> Decision:
    """One decision."""
    return Decision.from_document(answer.document())


def decisions_of(answer: Answer) -> list[Decision]:
    """Decisions in the order of the requests."""
    return [Decision.from_document(document) for document in answer.document()["decisions"]]


def recorded_of(answer: Answer) -> Recorded:
    """What was recorded."""
    document = answer.document()
    return Recorded(
        usage_id=document["usage_id"],
        pool_id=document["pool_id"],
        consistency_token=token_of(answer),
        document=document,
    )


def lines_of(answer: Answer) -> list[dict[str, Any]]:
    """What became of each line of a batch."""
    return list(answer.document()["results"])


def reserved_of(answer: Answer) -> Reserved:
    """What is held."""
    document = answer.document()
    return Reserved(
        reservation_id=document["reservation_id"],
        pool_id=document["pool_id"],
        resource_key=document["resource_key"],
        quantity=document["quantity"],
        expires_in=document["expires_in"],
        consistency_token=token_of(answer),
    )
