"""The bodies of answers that several routes share, as the OpenAPI document tells them."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field


class ProblemDocument(BaseModel):
    """What went wrong (RFC 9457). Further members name what is concerned."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:entitlements:problem:quota_exceeded"])
    title: str = Field(examples=["Conflict"])
    status: int = Field(examples=[409])
    code: str = Field(description="For ever the same for the same thing.", examples=["quota_exceeded"])
    detail: str = Field(examples=["The usage exceeds what remains. Use less, wait for the reset, or add to the plan."])


class Done(BaseModel):
    """A command that was accepted, now or when it was sent before."""

    status: str = Field(examples=["accepted"])
    command: str = Field(examples=["ProvisionPool"])
    id: str = Field(description="The aggregate it was about.", examples=["pool-1"])
    ladder_defined: str | None = Field(
        None,
        description="Only of DefineEntitlementSet, where nobody had named its ladder before: a typo, or a new one.",
    )


class Position(BaseModel):
    """A place in the log of commands."""

    partition: int
    offset: int


class SentCommand(BaseModel):
    """A command that is in the log and not yet decided."""

    command_id: str
    position: Position


class Sent(BaseModel):
    """Commands for whose decisions nobody waits."""

    status: str = Field(examples=["sent"])
    commands: list[SentCommand]


def _problem(description: str) -> dict[str, Any]:
    return {
        "description": description,
        "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}},
    }


#: What any route may answer beside its own.
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    400: _problem("The request is no HTTP or JSON that can be read."),
    401: _problem("No key, or one that is not valid (any more)."),
    403: _problem(
        "The key lacks the scope, may not act for the organization, or is bound to a unit that this is not about."
    ),
    404: _problem("There is no such thing, or it is another organization's; or there is no such organization."),
    409: _problem("A rule says no; or, for a read with a consistency token, the read models are not there yet."),
    413: _problem("The body is larger than this key may send."),
    415: _problem("The body is of a type that is not taken here."),
    422: _problem("The request is invalid, or an idempotency key was used with another body before."),
    429: _problem("Too many requests of this key; Retry-After says when to come again."),
    503: _problem("A server that is needed does not answer."),
    504: _problem("No answer in time: it may have had its effect. Retry with the same idempotency key."),
}
#: With `Prefer: respond-async`.
ACCEPTED: Final[dict[int | str, dict[str, Any]]] = {
    202: {"model": Sent, "description": "It is in the log, not yet decided."}
}
