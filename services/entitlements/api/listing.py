"""What every list has: how it is asked for page by page, and its answer."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeAlias

import orjson
from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import at_least, json_answer, services_of
from entitlements.api.auth import identity_of
from entitlements.intake.strict import Digits, Instant
from entitlements_projections.reading import cursors, lists
from entitlements_projections.reading.listing import LIMIT_DEFAULT, LIMIT_MAX, Listing, page

#: As long as the longest cursor that any list hands out.
CURSOR_CHARACTERS_MAX: Final = max(
    cursors.characters_max(each.name, each.key) for each in vars(lists).values() if isinstance(each, Listing)
)
#: What a filter means, in every list that has it.
FILTERS: Final = {
    "status": "Only rows with this status.",
    "pool_id": "Only rows of this pool.",
    "customer_id": "Only this customer. For pools, provisions and grants: only pools the customer may use now.",
    "subject_id": "Only this member of a customer.",
    "unit_id": "Only this unit; for customers, including the units below it.",
    "parent_unit_id": "Only units directly below this one.",
    "role": "Only members with this role.",
    "billing_account_id": "Only pools of this billing account.",
    "set_id": "Only this entitlement set.",
    "set_version": "Only this version of the set.",
    "all_versions": "True: every version of each set; false: the newest.",
    "source": "Only provisions with this kind of source.",
    "source_id": "Only the provision with this id in the billing system.",
    "ladder": "Only this plan ladder.",
    "resource_key": "Only rows of this resource key, or that include it.",
    "actor": "Only changes by this actor.",
    "mode": "Only usage with this mode.",
    "bearer": "Only usage charged to this kind of bearer.",
    "data_type": "Only keys with this data type.",
    "entitlement_type": "Only keys with this entitlement type.",
    "effect": "Only policies with this effect.",
}

Limit: TypeAlias = Annotated[
    Digits,
    Query(
        ge=1,
        le=LIMIT_MAX,
        description="Maximum number of rows per page.",
        # What is read from digits does not say its bounds by itself.
        json_schema_extra={"minimum": 1, "maximum": LIMIT_MAX},
    ),
]
Cursor: TypeAlias = Annotated[
    str | None,
    Query(
        max_length=CURSOR_CHARACTERS_MAX,
        description="`next` or `previous` from a page of the same list, organization and filters; otherwise 422 `invalid_cursor`.",
    ),
]
Since: TypeAlias = Annotated[Instant | None, Query(description="Only rows at or after this time.")]
Until: TypeAlias = Annotated[Instant | None, Query(description="Only rows before this time.")]
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
    organization_id = identity_of(request.scope).organization_id
    found = await services.read_list(organization_id, services.database, read)
    for row in found.items:
        for column in listing.documents:  # As it is stored: what reads it might write its numbers otherwise.
            row[column] = orjson.Fragment(row[column])
    return json_answer(found.document())
