"""CloudEvents about usage, as the OpenAPI document tells them. event_bodies.py reads them."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import BaseModel, Field

from entitlements.domain.values import QUANTITY_MAX, UsageMode
from entitlements.intake.strict import Id, MaybeId, Strict

#: Events that one call may hold.
EVENTS_MAX: Final = 10_000
SINGLE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"


class UsageData(Strict):
    """Data of a usage event."""

    resource_key: Id = Field(description="The resource key.", examples=["api_calls"])
    quantity: int = Field(1, ge=1, le=QUANTITY_MAX, description="Quantity in the smallest unit of the key.")
    customer_id: MaybeId = Field("", description="The customer. Default: the subject of the event.")
    pool_id: MaybeId = Field("", description="Use this pool only. Default: the customer's first pool.")
    subject_id: MaybeId = Field("", description="The member of the customer. Default: none.")
    mode: UsageMode = Field(
        "report",
        description="strict: refused as a whole if it does not fit; report: it already happened and is always recorded.",
    )


class EventBody(BaseModel):
    """A CloudEvent about usage, with `data` or `data_base64`."""

    id: str = Field(
        min_length=1,
        description="Id of the event, unique within its source. The same id counts once.",
        examples=["req-17"],
    )
    source: str = Field(min_length=1, description="The sender of the event.", examples=["/gateway/eu-1"])
    type: str = Field(min_length=1, description="Type of the event; any name.", examples=["com.example.api.called"])
    specversion: Literal["1.0"] = Field(description="Version of CloudEvents.")
    subject: MaybeId = Field("", description="The customer, unless the data contains it.", examples=["ws-1"])
    time: str = Field(
        default_factory=str,
        description="When it happened, RFC 3339, to the millisecond. Default: when it is recorded.",
        examples=["2026-11-21T14:07:20Z"],
        json_schema_extra={"format": "date-time"},
    )
    data: UsageData = Field(
        default_factory=UsageData.model_construct, description="The usage. Required without `data_base64`."
    )
    data_base64: str = Field(
        default_factory=str,
        description="The data in base64, instead of `data`.",
        json_schema_extra={"contentEncoding": "base64"},
    )


#: Bodies that are decoded by hand, for the OpenAPI document.
BODIES: Final = (EventBody, UsageData)
_EVENT: Final = {"$ref": "#/components/schemas/EventBody"}
#: The bodies of POST /v1/events and /v1/events/batch, for the OpenAPI document. The first takes batches too, as CloudEvents has it; a
#: list among several bodies is what generators of clients cannot make.
SCHEMAS: Final = {
    SINGLE: {"schema": _EVENT},
    "application/json": {"schema": {"anyOf": [_EVENT, {"$ref": "#/components/schemas/UsageData"}]}},
}
BATCH_SCHEMAS: Final = {BATCH: {"schema": {"type": "array", "items": _EVENT, "maxItems": EVENTS_MAX}}}
