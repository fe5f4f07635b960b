"""May they, and how much is left? Questions; nothing is changed here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Path
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api import aside, http_caching
from entitlements.api.answer_bodies import DecisionBody, DecisionsBody, EntitlementBody, RemainingBody, ViewBody
from entitlements.api.answering import answers_to, in_another_process, newer
from entitlements.api.asking import at_least, etags_of, hold_questions, json_answer, parsed, services_of, who, who_for
from entitlements.api.disconnects import while_connected
from entitlements.api.documents import PROBLEMS
from entitlements.api.media_types import require_json
from entitlements.api.openapi.headers import CONSISTENCY, IF_NONE_MATCH, takes
from entitlements.api.openapi.telling import body_as
from entitlements.api.policy_bodies import DryRun, DryRunBody, PoliciesBody
from entitlements.api.problems import Problem
from entitlements.api.question_bodies import MANY_MAX, CheckBody, ChecksBody, RemainingQuery
from entitlements.api.reading_checks import one_question, questions_of
from entitlements.api.routes import Route
from entitlements.api.turns import slices
from entitlements.api.views import CUSTOMERS_AT_ONCE, VIEW_BYTES_AT_ONCE
from entitlements.intake.policies import NUL, InvalidPolicyDocument
from entitlements.intake.strict import Id
from entitlements_client.deciding import (
    CustomerView,
    Entry,
    PolicyIsInvalid,
    PolicySet,
)
from entitlements_client.deciding import Request as Asked

router = APIRouter(tags=["access"], responses=PROBLEMS, route_class=Route)

CustomerId = Annotated[Id, Path(description="The customer.")]
ResourceKeyId = Annotated[Id, Path(description="The resource key.")]
#: Bodies that are decoded by hand, for the OpenAPI document.
BODIES: Final = (CheckBody, ChecksBody)
#: Customers with a key each whose entries are made at once for one call.
ENTRIES_AT_ONCE: Final = 500


@router.post(
    "/v1/check",
    response_model=DecisionBody,
    openapi_extra=body_as(CheckBody),
    operation_id="check",
    summary="Check access",
)
@takes(CONSISTENCY)
async def check(request: Request) -> Response:
    """Check whether a customer may use a resource key, and how much of it. Decided as strict usage would be; nothing is recorded."""
    return Response(await answer_to(request, await request.body()), media_type="application/json")


async def answer_to(request: Request, body: bytes) -> bytes:
    """The answer to a question as JSON. Raises Problem and what problem_of knows."""
    identity = who(request, "read", within_unit=True)
    require_json(request)
    (answer,) = await answers_to(request, identity, [await parsed(request, body, one_question)])
    return answer


@router.post(
    "/v1/checks",
    response_model=DecisionsBody,
    openapi_extra=body_as(ChecksBody),
    operation_id="checkMany",
    summary="Check access in bulk",
)
@takes(CONSISTENCY)
async def check_many(request: Request) -> Response:
    """Check many customers and resource keys in one call: up to 10,000 checks."""
    identity = who(request, "read", within_unit=True)
    many = await questions_of(request, await request.body())
    hold_questions(request, len(many))
    answers = await answers_to(request, identity, many)
    return json_answer({"decisions": [orjson.Fragment(answer) for answer in answers]})


@router.get(
    "/v1/customers/{customer_id}/entitlements",
    response_model=ViewBody,
    operation_id="entitlementsOfCustomer",
    summary="Get a customer's entitlements",
)
@takes(CONSISTENCY, IF_NONE_MATCH)
async def entitlements(request: Request, customer_id: CustomerId) -> Response:
    """Everything a customer is entitled to. A client can decide locally by this document."""
    identity = await who_for(request, "read", [customer_id])
    documents = await services_of(request).customer_views.documents(
        identity.organization_id, [customer_id], at_least(request)
    )
    services, organization_id, document = services_of(request), identity.organization_id, documents[customer_id]
    if len(document) <= VIEW_BYTES_AT_ONCE:
        return services.cacheable(request, document, organization_id, customer_id)
    return await services.compute(organization_id, services.cacheable, request, document, organization_id, customer_id)


@router.get(
    "/v1/customers/{customer_id}/entitlements/{resource_key}",
    response_model=EntitlementBody,
    operation_id="remaining",
    summary="Get an entitlement and what remains",
)
async def remaining(request: Request, customer_id: CustomerId, resource_key: ResourceKeyId) -> Response:
    """What a customer has of one resource key, and what remains."""
    identity = await who_for(request, "read", [customer_id])
    views = await services_of(request).customer_views.of(identity.organization_id, [customer_id], at_least(request))
    view = views[customer_id]
    return json_answer(
        {
            "customer_id": customer_id,
            "as_of": view.as_of.to_document(),
            "entitlement": _entry(view, resource_key),
        }
    )


@router.post(
    "/v1/remaining", response_model=RemainingBody, operation_id="remainingOfMany", summary="Get what remains in bulk"
)
@takes(CONSISTENCY)
async def remaining_of_many(request: Request, body: RemainingQuery) -> Response:
    """What many customers have of many resource keys, and what remains."""
    identity = await who_for(request, "read", body.customer_ids)
    if len(body.customer_ids) * len(body.resource_keys) > MANY_MAX:
        raise Problem("invalid_request", f"A request has at most {MANY_MAX} checks.")
    hold_questions(request, len(body.customer_ids) * len(body.resource_keys))
    found = await while_connected(request.receive, _remaining(request, identity.organization_id, body))
    return json_answer({"remaining": orjson.Fragment(b"[" + b",".join(found) + b"]")})


async def _remaining(request: Request, organization_id: str, body: RemainingQuery) -> list[bytes]:
    """The entries that are asked for as JSON, in parts that are joined by commas. Of the views only those of a slice are kept at once."""
    services, wanted, found = services_of(request), at_least(request), list[bytes]()
    for customer_ids in slices(body.customer_ids, CUSTOMERS_AT_ONCE):
        views = await services.customer_views.of(organization_id, customer_ids, wanted)
        asked = [(customer_id, key) for customer_id in customer_ids for key in body.resource_keys]
        for part in slices(asked, ENTRIES_AT_ONCE):
            found.append(await services.compute(organization_id, _entries, views, part))
    return found


def _entries(views: Mapping[str, CustomerView], wanted: Sequence[tuple[str, str]]) -> bytes:
    """The elements of a JSON array. As one text: what orjson returns keeps 8 KB and more, however short it is."""
    found = [{"customer_id": customer_id, **_entry(views[customer_id], key)} for customer_id, key in wanted]
    return orjson.dumps(found, option=orjson.OPT_UTC_Z)[1:-1]


def _entry(view: CustomerView, key: str) -> dict[str, Any]:
    return (view.entitlements.get(key) or Entry(key, {})).to_document()


@router.get(
    "/v1/policy-set", response_model=PoliciesBody, operation_id="policySet", summary="Get the access policies in force"
)
@takes(CONSISTENCY, IF_NONE_MATCH)
async def policy_set(request: Request) -> Response:
    """The access policies in force as one document, by which clients decide locally. `GET /v1/policies` lists all policies."""
    identity = who(request, "read", within_unit=True)
    services = services_of(request)
    if wanted := at_least(request):
        await services.reach(wanted)
        services.policies.forget(identity.organization_id)
    document = await services.in_thread(identity.organization_id, services.policies.load, identity.organization_id)
    headers = {
        "ETag": http_caching.etag_of(orjson.loads(document)),
        "Cache-Control": "private, no-cache",
        "Vary": http_caching.VARY,
    }
    if http_caching.is_not_modified(etags_of(request), headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(document, headers=headers, media_type="application/json")


@router.post(
    "/v1/policies/dry-run", operation_id="dryRun", summary="Dry-run access policies", response_model=DryRunBody
)
@takes(CONSISTENCY)
async def try_policies(request: Request, body: DryRun) -> Response:
    """Evaluate access policies without effect: the five steps of a decision, with the outcome of every condition. Nothing is recorded or logged."""
    identity = who(request, "administer")
    services, organization_id = services_of(request), identity.organization_id
    wanted = at_least(request)
    views = await services.customer_views.of(organization_id, [body.customer_id], wanted)
    in_force = await services.in_force.of(organization_id, anew=wanted is not None)
    document = in_force.document
    if body.policies is not None:
        document = _document(in_force.compiled, body.policies)
        mistake = await in_another_process(request, organization_id, aside.check, document)
        if mistake is not None:
            raise InvalidPolicyDocument("policies", PolicyIsInvalid(*mistake))
    asked = Asked.from_document(body.model_dump(exclude={"policies"}))
    view = views[body.customer_id]
    (decision,) = await in_another_process(
        request, organization_id, aside.answers, organization_id, document, [(view, asked)]
    )
    if decision.needs_service:
        view = await newer(services, organization_id, views, asked, decision.needs_service)
    found = await in_another_process(request, organization_id, aside.dry_run, organization_id, document, view, asked)
    if found is None:
        raise Problem("invalid_request", "The request has a string or number that JSON cannot represent.")
    return json_answer(orjson.Fragment(found))


def _document(in_force: PolicySet, policies: list[dict[str, Any]]) -> bytes:
    """Policies that are tried instead of those in force, and what these know of keys. Raises Problem."""
    known = {"metered_keys": sorted(in_force.metered_keys), "keys": dict(in_force.keys)}
    try:
        document = orjson.dumps(
            {"organization_id": in_force.organization_id, "version": in_force.version, "policies": policies, **known}
        )
    except orjson.JSONEncodeError as error:
        raise Problem("invalid_request", f"The context is invalid: {error}.") from error
    if NUL in document:
        raise InvalidPolicyDocument("policies", PolicyIsInvalid("invalid_value", "policies", "they contain NUL"))
    return document
