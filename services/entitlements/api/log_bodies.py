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

    position: str = Field(description="Ledger position of the answer.", examples=["0:17,3:201"])
    lag_ms: int | None = Field(description="Lag of the read models behind the ledger, in milliseconds; null: unknown.")


class ReportedPosition(BaseModel):
    """How fresh the answer was."""

    position: str = Field("", description="Ledger position of the answer.", examples=["0:17,3:201"])
    lag_ms: int | None = Field(
        None, description="Lag of the read models behind the ledger, in milliseconds. Default: unknown."
    )


class ReportedDecision(BaseModel):
    """A decision that a client made locally, with its request. Other members are ignored."""

    decision_id: str = Field(
        "", description="Id of the decision. Default: derived from the other members.", max_length=128
    )
    decided_at: datetime = Field(description="Time of the decision, with a time zone.")
    customer_id: Id = Field(description="The customer.")
    resource_key: Id = Field(description="The resource key.")
    entitlement_type: str | None = Field(None, description="Type of the entitlement.")
    quantity: int | None = Field(None, ge=0, le=QUANTITY_MAX, description="Requested quantity in the smallest unit.")
    subject_id: str | None = Field(None, description="The member of the customer.")
    action: str | None = Field(None, description="The requested action.")
    allowed: bool = Field(description="The decision: allowed or denied.")
    reason_code: Id = Field(description="Reason.")
    policy_version: int | None = Field(None, description="Version of the organization's policies.")
    as_of: ReportedPosition | None = Field(None, description="How fresh the answer was.")
    source: str = Field(description="Where it was decided.", json_schema_extra={"enum": [*sorted(SOURCES)]})
    count: int = Field(
        1, ge=1, le=COUNT_MAX, description="Number of decisions this one stands for, if the client samples."
    )
    context: ContextBody | None = Field(None, description="Context of the request.")


class DecisionReport(Strict):
    """Decisions that a client made locally."""

    decisions: Annotated[
        list[dict[str, Any]],
        ToldAs(Annotated[list[ReportedDecision], Field(min_length=1, max_length=REPORTED_MAX)]),
    ] = Field(
        min_length=1, max_length=REPORTED_MAX, description="The decisions. Each is accepted or refused separately."
    )


class RefusedReport(BaseModel):
    """A reported decision that is invalid."""

    index: int = Field(description="Index in the request, from 0.")
    code: str = Field(description="Stable error code, for programs.", examples=["invalid_request"])
    detail: str = Field(description="The reason as text.")


class ReportResult(BaseModel):
    """How many of the reported decisions were logged."""

    accepted: int = Field(description="Number of decisions logged.")
    sampled_out: int = Field(description="Number of decisions not logged because the log is sampled.")
    refused: list[RefusedReport] = Field(description="The invalid decisions.")


class LoggedResource(BaseModel):
    """The requested resource."""

    type: str = Field(description="Type of the resource; empty: not given.")
    id: str = Field(description="Id of the resource; empty: not given.")


class LoggedContext(BaseModel):
    """Context of a request."""

    ip_address: str = Field(description="IP address of the end user; empty: not given.")
    user_agent: str = Field(description="User agent of the end user; empty: not given.")
    resource: LoggedResource = Field(description="The resource of the request.")


class LoggedDecision(BaseModel):
    """A decision of the access log."""

    occurred_at: datetime = Field(description="When it was decided.")
    request_id: str = Field(description="Id of the request, as in the response header `X-Request-Id`.")
    customer_id: str = Field(description="The customer.")
    resource_key: str = Field(description="The resource key.")
    entitlement_type: str | None = Field(description="Type of the entitlement; null: none.")
    quantity: int | None = Field(description="Requested quantity in the smallest unit; null: access in general.")
    subject_id: str = Field(description="The member of the customer; empty: none.")
    action: str = Field(description="The requested action; empty: not given.")
    result: Literal["allowed", "denied"] = Field(description="The decision: allowed or denied.")
    reason: str = Field(description="The `reason_code` of the decision.")
    context: LoggedContext = Field(description="Context of the request.")
    decision_id: str = Field(description="The id of the decision.")
    policy_version: int = Field(description="Version of the organization's policies.")
    as_of: LogPosition = Field(description="How fresh the data behind the decision was.")
    source: str = Field(description="Where it was decided.", examples=["SERVICE", "LOCAL"])
    count: int = Field(description="Number of decisions this record stands for; more than 1 if the log is sampled.")
    asked_by: str = Field(description="The API key.")
    asked_by_organization: str = Field(description="The organization of that API key.")


class Decisions(ListPage):
    """A page of decisions, newest first."""

    items: list[LoggedDecision] = Field(description="The decisions of this page.")
