"""The access log over HTTP: reported decisions in, who asked for what out."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from entitlements.access.log.reading import page
from entitlements.access.log.reporting import accept
from entitlements.api.asking import json_answer, services_of, who, who_for
from entitlements.api.documents import PROBLEMS
from entitlements.api.listing import LIMIT_DEFAULT, Cursor, Limit, Since, Until
from entitlements.api.log_bodies import DecisionReport, Decisions, ReportResult
from entitlements.api.openapi.headers import takes
from entitlements.api.routes import Route
from entitlements.intake.strict import Id

router = APIRouter(tags=["access log"], responses=PROBLEMS, route_class=Route)

#: Reported decisions that are looked at in the loop: some 50 us each.
ACCEPTED_AT_ONCE: Final = 20


@router.post(
    "/v1/access-log", response_model=ReportResult, operation_id="reportDecisions", summary="Report local decisions"
)
async def report(request: Request, body: DecisionReport) -> Response:
    """Report decisions a client made locally. A decision that is reported twice is logged once."""
    named = {customer_id for each in body.decisions if isinstance(customer_id := each.get("customer_id"), str)}
    identity, services = await who_for(request, "use", named), services_of(request)
    if len(body.decisions) <= ACCEPTED_AT_ONCE:
        return json_answer(accept(services.access_log, identity, body.decisions))
    compute, organization_id = services.compute, identity.organization_id
    return json_answer(await compute(organization_id, accept, services.access_log, identity, body.decisions))


@router.get("/v1/access-log", response_model=Decisions, operation_id="accessLog", summary="List access decisions")
@takes()
async def read(  # noqa: PLR0913, PLR0917 - each is a filter of its own.
    request: Request,
    customer_id: Annotated[Id | None, Query(description="Only this customer.")] = None,
    resource_key: Annotated[Id | None, Query(description="Only this resource key.")] = None,
    result: Annotated[
        str | None, Query(pattern="^(allowed|denied)$", description="Only decisions with this result.")
    ] = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = LIMIT_DEFAULT,
) -> Response:
    """Logged access decisions, newest first: the caller, the request and the result."""
    identity = who(request, "audit")
    services = services_of(request)

    def look(connection: Any) -> dict[str, Any]:
        return page(
            connection,
            identity.organization_id,
            customer_id=customer_id,
            resource_key=resource_key,
            result=result,
            since=since,
            until=until,
            cursor=cursor,
            limit=limit,
        )

    return json_answer(await services.read_list(identity.organization_id, services.log_tables, look))
