"""What an organization says of itself: its API keys and its access policies."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import headers_of, json_answer, key_of, services_of, who
from entitlements.api.auth import require_own
from entitlements.api.documents import ACCEPTED, PROBLEMS, CommandResult
from entitlements.api.identity import Scope
from entitlements.api.openapi.headers import CHANGES, IDEMPOTENCY_KEY, takes
from entitlements.api.openapi.telling import ToldAs
from entitlements.api.policy_bodies import PolicyDefinition
from entitlements.api.problems import Problem
from entitlements.api.routes import Route
from entitlements.api.sending import answered, decided, envelope
from entitlements.domain.errors import ApiKeyAlreadyExists
from entitlements.domain.governance_commands import CreateApiKey, RetireAccessPolicy, RevokeApiKey
from entitlements.errors import ServerIsAway
from entitlements.intake.api_keys import key_id_under, new_api_key
from entitlements.intake.looking import check_beside
from entitlements.intake.policies import parse_policies, policy_command
from entitlements.intake.strict import ApiKeyId, Id, Instant, MaybeId, NewNameInPath, Strict
from entitlements_projections.errors import NotReachedYet

router = APIRouter(tags=["governance"], responses=PROBLEMS, route_class=Route)


KeyId = Annotated[ApiKeyId, Path(description="The id of the API key: the part between `ent_` and the last `_`.")]
PolicyId = Annotated[Id, Path(description="The access policy.")]
NewPolicyId = Annotated[NewNameInPath, Path(description="The access policy.")]
#: Seconds for which the answer with a new key waits until it can be used: workers remember for a while which keys there are not.
USABLE_WITHIN_FOR: Final = 5.0
#: An example.
POLICY: Final = {
    "effect": "DENY",
    "resource_keys": ["export"],
    "conditions": [{"field": "customer.region", "operator": "not_equals", "value": "eu"}],
}


class NewApiKey(Strict):
    """An API key to create."""

    name: MaybeId = Field("", description="Display name.", examples=["checkout"])
    scopes: list[Scope] = Field(
        min_length=1, description="Scopes of the key. No scope implies another.", examples=[["read", "use"]]
    )
    act_for: Literal["all"] | list[Id] = Field(
        default_factory=list[str],
        description="Organizations the key may act for. Only the operator can set it, on the command line; here it is refused with 403 `act_for_not_allowed`.",
    )
    unit_id: MaybeId = Field(
        "", description="Restricts the key to customers in this unit and the units below it. Default: all customers."
    )
    expires_at: Instant | None = Field(None, description="When the key expires. Default: never.")
    requests_per_s: int | None = Field(
        None, ge=1, le=1_000_000, description="Rate limit in requests per second. Default: that of the service."
    )


class CreatedApiKey(BaseModel):
    """An API key. This is the only response that contains its secret."""

    key_id: str = Field(description="Id of the API key; not secret.")
    key: str = Field(
        description="The API key, to be sent as a bearer token. It is shown only once.", examples=["ent_k3f9a1c2d_..."]
    )
    organization_id: str = Field(description="Its organization.")
    scopes: list[Scope] = Field(description="Scopes of the key: read, use, administer, audit.")
    unit_id: str = Field(
        description="The unit it is bound to: customers in it and in units below it. Empty: all customers."
    )


@router.post("/v1/keys", response_model=CreatedApiKey, operation_id="createApiKey", summary="Create an API key")
@takes(IDEMPOTENCY_KEY)
async def create_key(request: Request, body: NewApiKey) -> Response:
    """Create an API key. It cannot have more scopes, a later expiry or a higher rate limit than the key that creates it.

    The key works at once (if the read models are behind, as soon as they have it). The secret is not stored and is returned once: a repeat with the same
    `Idempotency-Key` creates no second key and is refused with 409 `api_key_already_created` and the `key_id`.
    """
    identity, key = who(request, "administer"), key_of(request)
    made = new_api_key(key_id_under(identity.organization_id, key) if key else "")
    command = CreateApiKey(
        **envelope(identity, key),
        looked_up=["secret_sha256"],
        organization_id=identity.organization_id,
        key_id=made.key_id,
        secret_sha256=made.secret_sha256,
        name=body.name,
        scopes=list(dict.fromkeys(body.scopes)),
        act_for=[] if body.act_for == "all" else body.act_for,
        acts_for_all=body.act_for == "all",
        unit_id=body.unit_id,
        expires_at=body.expires_at,
        requests_per_s=body.requests_per_s,
    )
    require_own(identity, command, services_of(request).settings.key_requests_per_s)
    try:
        await services_of(request).read(identity.organization_id, check_beside, command)
        outcome = await decided(request, command)
    except (ApiKeyAlreadyExists, Problem) as error:
        if key and error.code == ApiKeyAlreadyExists.code:  # Longer ago than keys are remembered.
            raise _created_before(made.key_id) from error
        raise
    if outcome.repeated:
        raise _created_before(made.key_id)
    with suppress(NotReachedYet, ServerIsAway):  # It is made all the same, and nobody sees its secret a second time.
        await services_of(request).reach({outcome.partition: outcome.frame_offset}, USABLE_WITHIN_FOR)
    document = {
        "key_id": made.key_id,
        "key": made.token,
        "organization_id": identity.organization_id,
        "scopes": command.scopes,
        "unit_id": command.unit_id,
    }
    return json_answer(document, headers_of(outcome) | {"cache-control": "no-store"})


def _created_before(key_id: str) -> Problem:
    said = (
        f"An earlier request with this Idempotency-Key created API key {key_id}. Its secret was in that answer only. If you do not have it, "
        f"revoke the key (DELETE /v1/keys/{key_id}) and create another one with a new Idempotency-Key."
    )
    return Problem("api_key_already_created", said, key_id=key_id)


@router.delete(
    "/v1/keys/{key_id}",
    response_model=CommandResult,
    responses=ACCEPTED,
    operation_id="revokeApiKey",
    summary="Revoke an API key",
)
@takes(*CHANGES)
async def revoke_key(
    request: Request,
    key_id: KeyId,
    revoke_at: Annotated[Instant | None, Query(description="When the key stops working. Default: now.")] = None,
    reason: Annotated[str, Query(description="Reason, for the audit trail.")] = "",
) -> Response:
    """Revoke an API key, now or at a given time. Until then, the key and its replacement both work."""
    identity = who(request, "administer")
    command = RevokeApiKey(
        **envelope(identity, key_of(request)),
        organization_id=identity.organization_id,
        key_id=key_id,
        revoke_at=revoke_at,
        reason=reason,
    )
    answer = await answered(request, command, {"status": "accepted", "command": "RevokeApiKey", "id": key_id})
    services_of(request).authenticator.forget(key_id)  # This worker asks at once; all others within their bound.
    return answer


@router.put(
    "/v1/policies/{policy_id}",
    response_model=CommandResult,
    responses=ACCEPTED,
    operation_id="definePolicy",
    summary="Define an access policy",
)
@takes(*CHANGES)
async def define_policy(
    request: Request,
    policy_id: NewPolicyId,
    body: Annotated[dict[str, Any], ToldAs(PolicyDefinition), Body(examples=[POLICY])],
) -> Response:
    """Create or change an access policy. An invalid policy is refused with the path of the error."""
    identity = who(request, "administer")
    (policy,) = parse_policies({"policy_id": policy_id} | body, "policy")
    if policy["policy_id"] != policy_id:
        raise Problem("invalid_policy", "The policy ids in body and path differ.", path="policy_id")
    command = policy_command(policy, identity.organization_id, envelope(identity, key_of(request)))
    return await answered(request, command, {"status": "accepted", "command": "DefineAccessPolicy", "id": policy_id})


@router.delete(
    "/v1/policies/{policy_id}",
    response_model=CommandResult,
    responses=ACCEPTED,
    operation_id="retirePolicy",
    summary="Retire an access policy",
)
@takes(*CHANGES)
async def retire_policy(request: Request, policy_id: PolicyId) -> Response:
    """Retire an access policy: it no longer applies."""
    identity = who(request, "administer")
    command = RetireAccessPolicy(
        **envelope(identity, key_of(request)), organization_id=identity.organization_id, policy_id=policy_id
    )
    return await answered(request, command, {"status": "accepted", "command": "RetireAccessPolicy", "id": policy_id})
