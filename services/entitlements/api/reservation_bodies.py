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
    """Hold a quantity for so many seconds."""

    resource_key: Id = Field(description="The key.")
    quantity: Quantity = 1
    expires_in: Seconds = Field(60, description="Seconds from the decision on.")
    lease: bool = Field(False, description="Drawn down by the client that holds it.")
    reservation_id: NewSegment | None = Field(None, description="Its id; left out: the `Idempotency-Key`, or a new id.")


class Reserved(BaseModel):
    """A quantity that is held."""

    reservation_id: str = Field(description="The reservation.")
    pool_id: str = Field(description="The pool that holds it.")
    resource_key: str = Field(description="The key.")
    quantity: int = Field(description="How much, in the smallest unit of the key.")
    expires_in: int = Field(description="Seconds from the decision on.")


class Extend(Strict):
    """Hold it for so many seconds from now on."""

    pool_id: Id = Field(description="The pool that holds it.")
    expires_in: Seconds


class Commit(Strict):
    """Use a part of what is held."""

    pool_id: Id = Field(description="The pool that holds it.")
    quantity: Quantity
    mode: UsageMode = Field("strict", description="strict: refused whole if it does not fit; report: it has happened.")
    final: bool = Field(False, description="Release what is left of it.")
    usage_id: NewId | None = Field(None, description="The same id counts once; left out: the `Idempotency-Key`.")


class Release(Strict):
    """Give it back unused."""

    pool_id: Id = Field(description="The pool that holds it.")
    reason: str = Field("", max_length=500, description="Why, for the audit.")


class ReserveOperation(Reserve):
    """Reserve, as one of several operations."""

    op: Literal["reserve"] = Field(description="Hold a quantity.")


class ExtendOperation(Extend):
    """Extend, as one of several operations."""

    op: Literal["extend"] = Field(description="Hold it longer.")
    reservation_id: Id = Field(description="The reservation.")


class CommitOperation(Commit):
    """Commit, as one of several operations."""

    op: Literal["commit"] = Field(description="Use a part of what is held.")
    reservation_id: Id = Field(description="The reservation.")


class ReleaseOperation(Release):
    """Release, as one of several operations."""

    op: Literal["release"] = Field(description="Give it back unused.")
    reservation_id: Id = Field(description="The reservation.")


_EACH = Annotated[ReserveOperation | ExtendOperation | CommitOperation | ReleaseOperation, Field(discriminator="op")]


class Operation(Strict):
    """One of reserve, extend, commit, release, with its fields and, but for reserve, the reservation."""

    model_config = ConfigDict(strict=True, extra="allow")

    op: Literal["reserve", "extend", "commit", "release"]
    reservation_id: Id | None = None


class ManyOperations(Strict):
    """Several operations on reservations, under way at the same time."""

    operations: Annotated[list[Operation], ToldAs(Annotated[list[_EACH], Field(min_length=1, max_length=MANY_MAX)])] = (
        Field(min_length=1, max_length=MANY_MAX, description="The operations. Each is decided by itself.")
    )


class Changed(BaseModel):
    """A reservation that was extended, committed or released."""

    status: Literal["extended", "committed", "released"] = Field(description="What was done.")
    reservation_id: str = Field(description="The reservation.")
    pool_id: str = Field(description="The pool that holds it.")


class OperationResults(BaseModel):
    """What became of each operation, in the order of the request."""

    results: list[Reserved | Changed | ProblemDocument] = Field(description="An answer or a problem for each.")
