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
        description="Location of the field: body, query, path or header, and the path to it.",
        examples=["body.quantity"],
    )
    message: str = Field(description="What is wrong with it.", examples=["must be an integer"])


class RefusedEvent(BaseModel):
    """A refused event."""

    index: int = Field(description="Index in the request, from 0.")
    id: str = Field(description="The event's id.")
    code: str = Field(description="Stable error code, as in a problem.", examples=["quota_exceeded"])
    remaining: int | None = Field(description="The largest quantity that fits now; null: not applicable.")
    detail: str = Field("", description="For an invalid event: what is wrong with it.")


class ProblemDocument(BaseModel):
    """An error (RFC 9457). Members after the first five are present only where they apply."""

    type: str = Field(description="The code as a URN.", examples=["urn:entitlements:problem:quota_exceeded"])
    title: str = Field(description="The phrase of the HTTP status.", examples=["Conflict"])
    status: int = Field(description="The HTTP status.", examples=[409])
    code: str = Field(description="Stable error code, for programs.", examples=["quota_exceeded"])
    detail: str = Field(description="The reason as text.", examples=["The quantity does not fit into what is left."])
    remaining: int | None = Field(
        default_factory=_left_out,
        description="For refused usage: the largest quantity that fits now, in the smallest unit; null: not applicable.",
    )
    pool_id: str = Field(default_factory=_left_out, description="For usage and reservations: the pool that refused.")
    idempotency_key: str | None = Field(
        default_factory=_left_out,
        description="For `outcome_unknown`: the idempotency key to retry with; null: the request had none.",
    )
    bound: str = Field(
        default_factory=_left_out,
        description="For a bound of a key or an organization that is reached: which one.",
        examples=["requests_per_s", "requests", "body_bytes", "checks", "long_computations", "streams", "pools"],
    )
    maximum: int = Field(default_factory=_left_out, description="The size of that bound.")
    errors: list[FieldProblem] = Field(default_factory=_left_out, description="The invalid fields.")
    mistake: str = Field(default_factory=_left_out, description="For `invalid_policy`: what is wrong with the policy.")
    path: str = Field(
        default_factory=_left_out,
        description="For `invalid_policy`: path of the error in the policy.",
        examples=["policy.conditions[0].field"],
    )
    key_id: str = Field(
        default_factory=_left_out,
        description="For `api_key_already_created`: the API key created by the first request.",
    )
    needed: str = Field(
        default_factory=_left_out, description="For `insufficient_scope`: the scope that the API key lacks."
    )
    accepted: int = Field(default_factory=_left_out, description="For a request with a single event: 0.")
    refused: list[RefusedEvent] = Field(
        default_factory=_left_out, description="For a request with a single event: that event, as in a batch."
    )


#: The members that a problem may have.
PROBLEM_MEMBERS: Final = frozenset(ProblemDocument.model_fields)


class CommandResult(BaseModel):
    """The command was accepted; a repeat gets the original answer."""

    status: Literal["accepted"] = Field(description="The command was decided, and the decision is durable.")
    command: str = Field(description="The command.", examples=["ProvisionPool"])
    id: str = Field(description="Id of what was changed, such as the pool.", examples=["pool-1"])
    ladder_defined: str | None = Field(
        None,
        description="Only for DefineEntitlementSet: its ladder, if it is new. Check it for typos.",
    )
    keys_not_defined: list[str] | None = Field(
        None,
        description="Only for DefineEntitlementSet: resource keys in its rules that are not defined. Check them for typos.",
    )


class Position(BaseModel):
    """A position in the log of commands."""

    partition: int = Field(description="The partition.")
    offset: int = Field(description="The offset in the partition.")


class SentCommand(BaseModel):
    """A command accepted into the log and not decided yet."""

    command_id: str = Field(description="Id of the command.")
    position: Position = Field(description="Its position in the log.")


class SentCommands(BaseModel):
    """Commands accepted into the log and not decided yet."""

    status: Literal["sent"] = Field(description="The commands are durable, but not decided yet.")
    commands: list[SentCommand] = Field(description="The commands.")


def _problem(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
    }


#: What any route may answer beside its own.
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: _problem("Malformed request."),
    401: _problem("Missing or invalid API key."),
    403: _problem("The API key lacks the scope, may not act for the organization, or is bound to another unit."),
    404: _problem("Not found, or it belongs to another organization."),
    409: _problem("Refused by a rule, such as a limit; or the read models have not reached the consistency token yet."),
    413: _problem("The body is too large."),
    415: _problem("The route does not accept this content type."),
    422: _problem("Invalid request, or the idempotency key was used with another body."),
    429: _problem("Rate limit exceeded. Retry after `Retry-After` seconds."),
    503: _problem(
        "Kafka or Postgres is unavailable, or the read models are too far behind. Retry after `Retry-After` seconds."
    ),
    504: _problem(
        "No decision in time. The request may have taken effect: retry with the same idempotency key, or without one read first."
    ),
}
#: With `Prefer: respond-async`.
ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": SentCommands, "description": "Accepted into the log; not decided yet."}
}
