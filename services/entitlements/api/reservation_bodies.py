"""The bodies of reservations and leases."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from entitlements.api.choosing import MANY_MAX, Quantity, Seconds, Whose
from entitlements.api.documents import ProblemDocument
from entitlements.api.openapi.telling import ToldAs
from entitlements.domain.values import UsageMode
from entitlements.intake.strict import Id, NewId, NewSegment, Strict


class Reserve(Whose):
    """Reserve a quantity for `expires_in` seconds."""

    resource_key: Id = Field(description="The resource key.")
    quantity: Quantity = 1
    expires_in: Seconds = Field(60, description="Seconds until it expires, counted from the decision.")
    lease: bool = Field(False, description="Whether it is a lease, drawn down by the client that holds it.")
    reservation_id: NewSegment | None = Field(
        None, description="Id of the reservation. Default: the `Idempotency-Key`, or a generated id."
    )


class Reserved(BaseModel):
    """The reservation."""

    reservation_id: str = Field(description="The reservation.")
    pool_id: str = Field(description="The pool of the reservation.")
    resource_key: str = Field(description="The resource key.")
    quantity: int = Field(description="Quantity in the smallest unit of the key.")
    expires_in: int = Field(description="Seconds until it expires, counted from the decision.")


class Extend(Strict):
    """Extend a reservation: it expires `expires_in` seconds from now."""

    pool_id: Id = Field(description="The pool of the reservation.")
    expires_in: Seconds


class Commit(Strict):
    """Record usage from a reservation."""

    pool_id: Id = Field(description="The pool of the reservation.")
    quantity: Quantity
    mode: UsageMode = Field(
        "strict",
        description="strict: refused as a whole if it does not fit; report: it already happened and is always recorded.",
    )
    final: bool = Field(False, description="Whether to release the rest of the reservation.")
    usage_id: NewId | None = Field(
        None, description="Id of the usage: the same id counts once. Default: the `Idempotency-Key`."
    )


class Release(Strict):
    """Release a reservation unused."""

    pool_id: Id = Field(description="The pool of the reservation.")
    reason: str = Field("", max_length=500, description="Reason, for the audit trail.")


class ReserveOperation(Reserve):
    """A reservation in a batch of operations."""

    op: Literal["reserve"] = Field(description="Reserve a quantity.")


class ExtendOperation(Extend):
    """An extension in a batch of operations."""

    op: Literal["extend"] = Field(description="Extend a reservation.")
    reservation_id: Id = Field(description="The reservation.")


class CommitOperation(Commit):
    """A commit in a batch of operations."""

    op: Literal["commit"] = Field(description="Record usage from a reservation.")
    reservation_id: Id = Field(description="The reservation.")


class ReleaseOperation(Release):
    """A release in a batch of operations."""

    op: Literal["release"] = Field(description="Release a reservation unused.")
    reservation_id: Id = Field(description="The reservation.")


_EACH = Annotated[ReserveOperation | ExtendOperation | CommitOperation | ReleaseOperation, Field(discriminator="op")]


class Operation(Strict):
    """One of reserve, extend, commit, release, with its fields and, but for reserve, the reservation."""

    model_config = ConfigDict(strict=True, extra="allow")

    op: Literal["reserve", "extend", "commit", "release"]
    reservation_id: Id | None = None


class OperationBatch(Strict):
    """A batch of operations on reservations, executed concurrently."""

    operations: Annotated[list[Operation], ToldAs(Annotated[list[_EACH], Field(min_length=1, max_length=MANY_MAX)])] = (
        Field(min_length=1, max_length=MANY_MAX, description="The operations. Each is decided separately.")
    )


class ReservationResult(BaseModel):
    """The reservation after the change."""

    status: Literal["extended", "committed", "released"] = Field(description="Result of the operation.")
    reservation_id: str = Field(description="The reservation.")
    pool_id: str = Field(description="The pool of the reservation.")


class OperationResults(BaseModel):
    """One result per operation, in the order of the request."""

    results: list[Reserved | ReservationResult | ProblemDocument] = Field(
        description="One result per operation: an answer, or a problem."
    )
