"""The bodies of the access log: decisions that clients report, and the log's pages."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from entitlements.access.log.entries import COUNT_MAX, SOURCES
from entitlements.access.log.reporting import REPORTED_MAX
from entitlements.api.list_bodies import ListPage
from entitlements.api.openapi.telling import ToldAs
from entitlements.api.question_bodies import ContextBody
from entitlements.domain.values import QUANTITY_MAX
from entitlements.intake.strict import Id, Strict


class LogPosition(BaseModel):
    """How fresh the answer was."""

    position: str = Field(description="Up to where the ledger was read.", examples=["0:17,3:201"])
    lag_ms: int | None = Field(description="Milliseconds that the read models were behind; null: unknown.")


class ReportedPosition(BaseModel):
    """How fresh the answer was."""

    position: str = Field("", description="Up to where the ledger was read.", examples=["0:17,3:201"])
    lag_ms: int | None = Field(None, description="Milliseconds that the read models were behind; left out: unknown.")


class ReportedDecision(BaseModel):
    """A decision that a client made by itself: its document, with what it was asked. Other members are ignored."""

    decision_id: str = Field(
        "", description="Its id; left out: one that follows from all else it says.", max_length=128
    )
    decided_at: datetime = Field(description="When it was decided, with a time zone.")
    customer_id: Id = Field(description="The customer.")
    resource_key: Id = Field(description="The key.")
    entitlement_type: str | None = Field(None, description="Type of the entitlement.")
    quantity: int | None = Field(
        None, ge=0, le=QUANTITY_MAX, description="The quantity asked for, in the smallest unit."
    )
    subject_id: str | None = Field(None, description="The member of the customer.")
    action: str | None = Field(None, description="What was to be done.")
    allowed: bool = Field(description="What was decided.")
    reason_code: Id = Field(description="Why.")
    policy_version: int | None = Field(None, description="Version of the policies that were asked.")
    as_of: ReportedPosition | None = Field(None, description="How fresh the answer was.")
    source: str = Field(description="Where the answer was from.", json_schema_extra={"enum": [*sorted(SOURCES)]})
    count: int = Field(1, ge=1, le=COUNT_MAX, description="For how many decisions it stands, where the client samples.")
    context: ContextBody | None = Field(None, description="The circumstances of the request.")


class Reported(Strict):
    """Decisions that a client made by itself, as their documents."""

    decisions: Annotated[
        list[dict[str, Any]],
        ToldAs(Annotated[list[ReportedDecision], Field(min_length=1, max_length=REPORTED_MAX)]),
    ] = Field(min_length=1, max_length=REPORTED_MAX, description="The decisions. Each is taken or refused by itself.")


class RefusedReport(BaseModel):
    """A reported decision that is not valid."""

    index: int = Field(description="Its place in the request, from 0.")
    code: str = Field(description="Why, for programs.", examples=["invalid_request"])
    detail: str = Field(description="Why, for people.")


class Taken(BaseModel):
    """What became of reported decisions."""

    accepted: int = Field(description="How many are logged.")
    sampled_out: int = Field(description="How many are left out by the sampling of the log.")
    refused: list[RefusedReport] = Field(description="Those that are not valid.")


class LoggedResource(BaseModel):
    """What a request was about."""

    type: str = Field(description="Its type; empty: it was not said.")
    id: str = Field(description="Its id; empty: it was not said.")


class LoggedContext(BaseModel):
    """The circumstances of a request."""

    ip_address: str = Field(description="Where it came from; empty: it was not said.")
    user_agent: str = Field(description="What program it came from; empty: it was not said.")
    resource: LoggedResource = Field(description="What it was about.")


class LoggedDecision(BaseModel):
    """A decision of the access log."""

    timestamp: datetime = Field(description="When it was decided.")
    request_id: str = Field(description="Names the request; the answer had it as `X-Request-Id`.")
    customer_id: str = Field(description="The customer.")
    entitlement: str = Field(description="The key.")
    entitlement_type: str | None = Field(description="Type of the entitlement; null: there was none.")
    quantity: int | None = Field(description="The quantity asked for, in the smallest unit; null: none.")
    subject_id: str = Field(description="The member of the customer; empty: nobody in particular.")
    action: str = Field(description="What was to be done; empty: it was not said.")
    result: Literal["allowed", "denied"] = Field(description="What was decided.")
    reason: str = Field(description="Why, as `reason_code` of the decision.")
    context: LoggedContext = Field(description="The circumstances.")
    decision_id: str = Field(description="The id of the decision.")
    policy_version: int = Field(description="Version of the policies that were asked.")
    as_of: LogPosition = Field(description="How fresh its facts were.")
    source: str = Field(description="Who decided.", examples=["SERVICE", "LOCAL"])
    count: int = Field(description="For how many decisions it stands, where the log samples.")
    asked_by: str = Field(description="The API key.")
    asked_by_organization: str = Field(description="The organization whose key it is.")


class Decisions(ListPage):
    """Decisions, the newest first."""

    items: list[LoggedDecision] = Field(description="The decisions of this page.")
