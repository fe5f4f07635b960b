"""May they, and how much is left? Questions; nothing is changed here."""

from __future__ import annotations

import asyncio
from typing import Any, Final

import msgspec
import orjson
from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from entitlements.access.judging import SOURCE, dry_run, judge, view_for
from entitlements.api import http_caching
from entitlements.api.asking import at_least, json_answer, require_utf_8, services_of, who, who_for
from entitlements.api.documents import PROBLEMS
from entitlements.api.identity import Identity
from entitlements.api.problems import Problem
from entitlements.api.question_bodies import (
    MANY_MAX,
    Check,
    CheckBody,
    Checks,
    ChecksBody,
    DecisionBody,
    DecisionsBody,
    DryRun,
    EntitlementBody,
    PoliciesBody,
    RemainingAsked,
    RemainingBody,
    ViewBody,
)
from entitlements.api.routes import Route
from entitlements.api.services import Services
from entitlements.api.validation import explained_decoding
from entitlements.domain.values import is_id
from entitlements.intake.policies import InvalidPolicyDocument
from entitlements.intake.strict import Id
from entitlements.operations.request_id import REQUEST_ID
from entitlements_client.deciding import (
    Context,
    CustomerView,
    Decision,
    Entry,
    PolicyIsInvalid,
    PolicySet,
)
from entitlements_client.deciding import Request as Asked
from entitlements_client.deciding.decide import RESET_IS_DUE

router = APIRouter(tags=["access"], responses=PROBLEMS, route_class=Route)

#: Bodies that are decoded by hand, for the OpenAPI document.
BODIES: Final = (CheckBody, ChecksBody)
#: Seconds for which many questions of one call keep all others waiting: policies may make each of them cost milliseconds.
AT_ONCE_FOR: Final = 0.005
_DECODE: Final = msgspec.json.Decoder(Check).decode
_DECODE_MANY: Final = msgspec.json.Decoder(Checks).decode


def _body(model: type[BaseModel]) -> dict[str, Any]:
    """How the OpenAPI document tells a body that is decoded by hand."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


@router.post("/v1/check", response_model=DecisionBody, openapi_extra=_body(CheckBody), operation_id="check")
async def check(request: Request) -> Response:
    """May this customer use this key (and so much of it), and why? As strict usage would be decided; nothing is changed."""
    return Response(await answer_to(request, await request.body()), media_type="application/json")


async def answer_to(request: Request, body: bytes) -> bytes:
    """The answer to a question as JSON. Raises Problem and what problem_of knows."""
    identity = who(request, "read", within_unit=True)
    require_utf_8(request)
    (decision,) = await _decide(request, identity, [_decoded(body, _DECODE)])
    return orjson.dumps(decision.to_document())


@router.post("/v1/checks", response_model=DecisionsBody, openapi_extra=_body(ChecksBody), operation_id="checkMany")
async def check_many(request: Request) -> Response:
    """Many questions at once: 100 customers with 100 keys in one call."""
    identity = who(request, "read", within_unit=True)
    asked = _decoded(await request.body(), _DECODE_MANY)
    decisions = await _decide(request, identity, asked.all_of_them())
    return json_answer({"decisions": [decision.to_document() for decision in decisions]})


def _decoded(body: bytes, decode: Any) -> Any:
    try:
        return decode(body)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise explained_decoding(error) from error


async def _decide(request: Request, identity: Identity, many: list[Check]) -> list[Decision]:
    for one in many:
        if not (is_id(one.customer_id) and is_id(one.resource_key) and is_id(one.subject_id, 0)):
            raise Problem("invalid_id", "An id has 1 to 128 characters.")
    services, organization_id = services_of(request), identity.organization_id
    if identity.unit_id:
        await services.units.require(identity, {one.customer_id for one in many})
    wanted = at_least(request)
    first, at_hand = many[0], None
    if len(many) == 1 and not wanted:
        at_hand = services.view_at_hand(organization_id, first.customer_id, first.resource_key)
    if at_hand is not None:
        views = {first.customer_id: at_hand}
    else:
        views = await services.views_of(organization_id, list({one.customer_id for one in many}), wanted)
    # After the views: what was waited for is in the policies, too.
    policies = await services.policies_of(organization_id, anew=wanted is not None)
    decisions = []
    loop = asyncio.get_running_loop()
    until = loop.time() + AT_ONCE_FOR
    for one in many:
        if loop.time() > until:
            await asyncio.sleep(0)
            until = loop.time() + AT_ONCE_FOR
        asked = _asked(one)
        decision = judge(views[one.customer_id], policies, asked)
        if decision.needs_service:
            decision = judge(await _newer(services, organization_id, views, asked, decision), policies, asked)
        services.access_log.decided(identity, asked, decision)
        decisions.append(decision)
    return decisions


def _asked(one: Check) -> Asked:
    context = Context() if one.context is None else one.context.context()
    if context.request_id is None:
        # In the access log a decision is found by the id that the answer carries.
        context.request_id = REQUEST_ID.get()
    return Asked(one.customer_id, one.resource_key, one.quantity, one.subject_id, one.action, context)


async def _newer(
    services: Services, organization_id: str, views: dict[str, CustomerView], asked: Asked, decision: Decision
) -> CustomerView:
    """The view that can tell: read anew where something became due (for all who ask after this), and with what concerns the subject."""
    if decision.needs_service in {"valid_until_over", RESET_IS_DUE}:
        views |= await services.fresh_views(organization_id, [asked.customer_id])
    view = views[asked.customer_id]
    return await services.read(view_for, view, asked) if asked.subject_id else view


@router.get("/v1/customers/{customer_id}/entitlements", response_model=ViewBody, operation_id="entitlementsOfCustomer")
async def entitlements(request: Request, customer_id: Id) -> Response:
    """All that a customer has: a client that holds this document can decide by itself."""
    identity = await who_for(request, "read", [customer_id])
    documents = await services_of(request).view_documents(identity.organization_id, [customer_id], at_least(request))
    return services_of(request).cacheable(request, documents[customer_id], identity.organization_id, customer_id)


@router.get(
    "/v1/customers/{customer_id}/entitlements/{resource_key}",
    response_model=EntitlementBody,
    operation_id="remaining",
)
async def remaining(request: Request, customer_id: Id, resource_key: Id) -> Response:
    """What a customer has of one key, and what is left of it."""
    identity = await who_for(request, "read", [customer_id])
    views = await services_of(request).views_of(identity.organization_id, [customer_id], at_least(request))
    view = views[customer_id]
    return json_answer(
        {
            "customer_id": customer_id,
            "as_of": view.as_of.to_document(),
            "entitlement": _entry(view, resource_key),
        }
    )


@router.post("/v1/remaining", response_model=RemainingBody, operation_id="remainingOfMany")
async def remaining_of_many(request: Request, body: RemainingAsked) -> Response:
    """What many customers have of many keys, and what is left of it."""
    identity = await who_for(request, "read", body.customer_ids)
    if len(body.customer_ids) * len(body.resource_keys) > MANY_MAX:
        raise Problem("invalid_request", f"One call asks at most {MANY_MAX} times.")
    views = await services_of(request).views_of(identity.organization_id, body.customer_ids, at_least(request))
    found = [
        {"customer_id": customer_id, **_entry(views[customer_id], key)}
        for customer_id in body.customer_ids
        for key in body.resource_keys
    ]
    return json_answer({"remaining": found})


def _entry(view: CustomerView, key: str) -> dict[str, Any]:
    return (view.entitlements.get(key) or Entry(key, {})).to_document()


@router.get("/v1/policies", response_model=PoliciesBody, operation_id="policies")
async def policies(request: Request) -> Response:
    """The policies of the key's organization: a client that holds this document decides by the same."""
    identity = who(request, "read", within_unit=True)
    services = services_of(request)
    if wanted := at_least(request):
        await services.reach(wanted)
        services.policies.forget(identity.organization_id)
    document = await services.in_thread(services.policies.load, identity.organization_id)
    headers = {
        "ETag": http_caching.etag_of(orjson.loads(document)),
        "Cache-Control": "private, no-cache",
        "Vary": http_caching.VARY,
    }
    if http_caching.is_not_modified(request.headers.get("if-none-match"), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(document, headers=headers, media_type="application/json")


@router.post("/v1/policies/dry-run", operation_id="dryRun", response_model=dict[str, Any])
async def try_policies(request: Request, body: DryRun) -> Response:
    """The five steps of a decision with the outcome of every condition. Nothing is changed, and nothing logged."""
    identity = who(request, "administer")
    services, organization_id = services_of(request), identity.organization_id
    wanted = at_least(request)
    views = await services.views_of(organization_id, [body.customer_id], wanted)
    in_force = await services.policies_of(organization_id, anew=wanted is not None)
    if body.policies is not None:
        in_force = await services.apart(_compiled, organization_id, in_force, body.policies)
    asked = Asked.from_document(body.model_dump(exclude={"policies"}))
    view = views[body.customer_id]
    decision = await services.apart(judge, view, in_force, asked)
    if decision.needs_service:
        view = await _newer(services, organization_id, views, asked, decision)
    found = await services.apart(dry_run, view, in_force, asked)
    try:
        return json_answer(found | {"source": SOURCE})
    except orjson.JSONEncodeError as error:
        raise Problem("invalid_request", f"What was sent cannot be sent back: {error}.") from error


def _compiled(organization_id: str, in_force: PolicySet, policies: list[dict[str, Any]]) -> PolicySet:
    document = {"organization_id": organization_id, "version": in_force.version, "policies": policies}
    try:
        known = {"metered_keys": sorted(in_force.metered_keys), "keys": dict(in_force.keys)}
        return PolicySet.compile(document | known)
    except PolicyIsInvalid as error:
        raise InvalidPolicyDocument("policies", error) from error
