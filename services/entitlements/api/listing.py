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
