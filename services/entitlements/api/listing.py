"""What every list has: how it is asked for page by page, and its answer."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import at_least, json_answer, services_of
from entitlements.intake.strict import Digits, Instant
from entitlements_projections.reading.listing import LIMIT_DEFAULT, LIMIT_MAX, Listing, page

CURSOR_CHARACTERS_MAX: Final = 2_000
#: What a filter means, in every list that has it.
FILTERS: Final = {
    "status": "Only rows with this status.",
    "pool_id": "Only rows of this pool.",
    "customer_id": "Only this customer. Of pools and what is in them: those that the customer may use now.",
    "subject_id": "Only this member of a customer.",
    "unit_id": "Only this unit; of customers also the units below it.",
    "parent_unit_id": "Only units directly below this one.",
    "role": "Only members with this role.",
    "billing_account_id": "Only pools of this billing account.",
    "set_id": "Only this set.",
    "set_version": "Only this version of the set.",
    "all_versions": "Every version of each set; otherwise the newest.",
    "source": "Only provisions of this kind of source.",
    "source_id": "Only the provision with this id in the billing system.",
    "ladder": "Only this plan ladder.",
    "resource_key": "Only this resource key, or what includes it.",
    "actor": "Only what this actor did.",
    "mode": "Only usage recorded in this way.",
    "bearer": "Only usage charged to this bearer.",
    "data_type": "Only keys of this type of value.",
    "entitlement_type": "Only keys defined for this type of entitlement.",
    "effect": "Only policies with this effect.",
}

Limit: TypeAlias = Annotated[
    Digits,
    Query(
        ge=1,
        le=LIMIT_MAX,
        description="Rows of a page.",
        # What is read from digits does not say its bounds by itself.
        json_schema_extra={"minimum": 1, "maximum": LIMIT_MAX},
    ),
]
Cursor: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=CURSOR_CHARACTERS_MAX,
        description="`next` or `previous` of another page of the same list, organization and filters; else 422 `invalid_cursor`.",
    ),
]
Since: TypeAlias = Annotated[Instant | None, Query(description="Only rows from this instant on.")]
Until: TypeAlias = Annotated[Instant | None, Query(description="Only rows before this instant.")]
__all__ = ["LIMIT_DEFAULT", "Cursor", "Limit", "Since", "Until", "listed"]


async def listed(
    request: Request, listing: Listing, limit: int, cursor: str | None, *, within_unit: str = "", **filters: Any
) -> Response:
    """A page of a list. Filters without a value are none. within_unit: nothing outside this unit and those below it.

    Raises InvalidCursor, FilterTooBroad, NotReachedYet, ServerIsAway.
    """
    bounds = {"within_unit": within_unit} if within_unit else {}

    def read(connection: Any) -> Any:
        return page(connection, listing, filters, limit=limit, cursor=cursor, bounds=bounds)

    services = services_of(request)
    await services.reach(at_least(request))
    found = await services.read_list(services.database, read)
    return json_answer(found.document())
