"""The bodies of answers that several routes share, as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, Field


def _left_out() -> Any:
    """The default of a member that is not always there: the document states none."""
    raise AssertionError("problems are documents, made by problems.py")


class FieldProblem(BaseModel):
    """What is wrong with one field of a request."""

    at: str = Field(
        description="Where it is: body, query, path or header, and the names that lead to it.",
        examples=["body.quantity"],
    )
    message: str = Field(description="What is wrong with it.", examples=["must be an integer"])


class RefusedEvent(BaseModel):
    """An event that was refused."""

    index: int = Field(description="Its place in the request, from 0.")
    id: str = Field(description="The event's id.")
    code: str = Field(description="Why, as in a problem.", examples=["quota_exceeded"])
    remaining: int | None = Field(description="The largest quantity that fits now; null: the reason is another.")
    detail: str = Field("", description="Of an event that is not valid: what is wrong with it.")


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457). Members beside the first five are there where they say something."""

    type: str = Field(description="The code as a URN.", examples=["urn:entitlements:problem:quota_exceeded"])
    title: str = Field(description="The phrase of the HTTP status.", examples=["Conflict"])
    status: int = Field(description="The HTTP status.", examples=[409])
    code: str = Field(description="Why, for programs. A code always means the same.", examples=["quota_exceeded"])
    detail: str = Field(description="Why, for people.", examples=["The quantity does not fit into what is left."])
    remaining: int | None = Field(
        default_factory=_left_out,
        description="Of refused usage: the largest quantity that fits now, in the smallest unit; null: the reason is another.",
    )
    pool_id: str = Field(default_factory=_left_out, description="Of usage and reservations: the pool that said so.")
    idempotency_key: str | None = Field(
        default_factory=_left_out, description="Of `outcome_unknown`: the key to retry with; null: there was none."
    )
    errors: list[FieldProblem] = Field(default_factory=_left_out, description="The fields that are not valid.")
    mistake: str = Field(default_factory=_left_out, description="Of `invalid_policy`: what is wrong with the policy.")
    path: str = Field(
        default_factory=_left_out,
        description="Of `invalid_policy`: where it is wrong.",
        examples=["policy.conditions[0].field"],
    )
    key_id: str = Field(
        default_factory=_left_out, description="Of `api_key_already_created`: the key that the first request created."
    )
    needed: str = Field(default_factory=_left_out, description="Of `insufficient_scope`: the scope that the key lacks.")
    accepted: int = Field(default_factory=_left_out, description="Of the only event of a request: 0.")
    refused: list[RefusedEvent] = Field(
        default_factory=_left_out, description="Of the only event of a request: the event, as for many."
    )


#: The members that a problem may have.
PROBLEM_MEMBERS: Final = frozenset(ProblemDocument.model_fields)


class Done(BaseModel):
    """A command that was accepted, now or when it was sent before."""

    status: Literal["accepted"] = Field(description="It is decided and durable.")
    command: str = Field(description="The command.", examples=["ProvisionPool"])
    id: str = Field(description="The aggregate that it is about.", examples=["pool-1"])
    ladder_defined: str | None = Field(
        None,
        description="Only of DefineEntitlementSet, where its ladder was new: a typo, or a new one.",
    )


class Position(BaseModel):
    """A place in the log of commands."""

    partition: int = Field(description="The partition.")
    offset: int = Field(description="The offset in it.")


class SentCommand(BaseModel):
    """A command that is in the log and not yet decided."""

    command_id: str = Field(description="The id of the command.")
    position: Position = Field(description="Its place in the log.")


class Sent(BaseModel):
    """Commands that are in the log; the caller does not wait for the decisions."""

    status: Literal["sent"] = Field(description="They are durable and not yet decided.")
    commands: list[SentCommand] = Field(description="The commands.")


def _problem(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
    }


#: What any route may answer beside its own.
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: _problem("The request is not valid HTTP or JSON."),
    401: _problem("Missing or invalid API key."),
    403: _problem("The key lacks the scope, may not act for the organization, or is bound to another unit."),
    404: _problem("It does not exist, or belongs to another organization."),
    409: _problem("A rule refuses it; or a read with a consistency token came before the read models had it."),
    413: _problem("The body is larger than this key may send."),
    415: _problem("The body has another content type than the route takes."),
    422: _problem("The request is not valid, or its idempotency key was used with another body."),
    429: _problem("Too many requests with this key; `Retry-After` says when to retry."),
    503: _problem("Kafka or Postgres does not answer."),
    504: _problem(
        "No decision in time; it may have taken effect. Retry with the same idempotency key; without one, read first."
    ),
}
#: With `Prefer: respond-async`.
ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": Sent, "description": "It is in the log and not yet decided."}
}
