"""What an organization says of itself: its API keys and its access policies."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Body, Path, Query
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import headers_of, json_answer, key_of, services_of, who
from entitlements.api.auth import require_own
from entitlements.api.documents import ACCEPTED, PROBLEMS, Done
from entitlements.api.identity import Scope
from entitlements.api.openapi.headers import CHANGES, IDEMPOTENCY_KEY, takes
from entitlements.api.openapi.telling import ToldAs
from entitlements.api.policy_bodies import PolicyToPut
from entitlements.api.problems import Problem
from entitlements.api.routes import Route
from entitlements.api.sending import answered, decided, envelope
from entitlements.domain.errors import ApiKeyAlreadyExists
from entitlements.domain.governance_commands import CreateApiKey, RetireAccessPolicy, RevokeApiKey
from entitlements.intake.api_keys import key_id_under, new_api_key
from entitlements.intake.looking import check_beside
from entitlements.intake.policies import parse_policies, policy_command
from entitlements.intake.strict import Id, Instant, MaybeId, Strict

router = APIRouter(tags=["governance"], responses=PROBLEMS, route_class=Route)


KeyId = Annotated[Id, Path(description="The API key.")]
PolicyId = Annotated[Id, Path(description="The policy.")]
#: An example.
POLICY: Final = {
    "effect": "DENY",
    "resource_keys": ["export"],
    "conditions": [{"field": "customer.region", "operator": "not_equals", "value": "eu"}],
}


class NewKey(Strict):
    """An API key to be made."""

    name: MaybeId = Field("", description="Its name for people.", examples=["checkout"])
    scopes: list[Scope] = Field(
        min_length=1, description="What it may be used for. No scope implies another.", examples=[["read", "use"]]
    )
    act_for: Literal["all"] | list[Id] = Field(
        default_factory=list[str],
        description="Organizations to act for. Only the operator gives it, by the command line: 403 `act_for_not_allowed` here.",
    )
    unit_id: MaybeId = Field("", description="Only for customers in this unit and the units below it; empty: for all.")
    expires_at: Instant | None = Field(None, description="When it ends; left out: when it is revoked.")
    requests_per_s: int | None = Field(
        None, ge=1, le=1_000_000, description="Requests it may make in a second; left out: what the service allows all."
    )


class KeyMade(BaseModel):
    """An API key. Its secret is told here and never again."""

    key_id: str = Field(description="Its id; no secret.")
    key: str = Field(description="What is sent as a bearer token.", examples=["ent_k3f9a1c2d_..."])
    organization_id: str = Field(description="Its organization.")
    scopes: list[Scope] = Field(description="What it may be used for.")
    unit_id: str = Field(description="The unit whose customers alone it is for; empty: all customers.")


@router.post("/v1/keys", response_model=KeyMade, operation_id="createApiKey")
@takes(IDEMPOTENCY_KEY)
async def create_key(request: Request, body: NewKey) -> Response:
    """Create an API key. A key creates none that may do more, lives longer or has a higher rate than itself. It is valid as soon as the read models know it.

    The secret is made here and nobody keeps it. A repeat under the same Idempotency-Key makes no second key and is 409
    `api_key_already_created` with the `key_id` of the first, since its secret cannot be told again.
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
        await services_of(request).read(check_beside, command)
        outcome = await decided(request, command)
    except (ApiKeyAlreadyExists, Problem) as error:
        if key and error.code == ApiKeyAlreadyExists.code:  # Longer ago than keys are remembered.
            raise _created_before(made.key_id) from error
        raise
    if outcome.repeated:
        raise _created_before(made.key_id)
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


@router.delete("/v1/keys/{key_id}", response_model=Done, responses=ACCEPTED, operation_id="revokeApiKey")
@takes(*CHANGES)
async def revoke_key(
    request: Request,
    key_id: KeyId,
    revoke_at: Annotated[Instant | None, Query(description="When it ends; left out: now.")] = None,
    reason: Annotated[str, Query(description="Why, for the audit.")] = "",
) -> Response:
    """Take an API key back, now or at an instant: until then the key that replaces it counts beside it."""
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


@router.put("/v1/policies/{policy_id}", response_model=Done, responses=ACCEPTED, operation_id="definePolicy")
@takes(*CHANGES)
async def define_policy(
    request: Request,
    policy_id: PolicyId,
    body: Annotated[dict[str, Any], ToldAs(PolicyToPut), Body(examples=[POLICY])],
) -> Response:
    """Define an access policy, or change it. Refused with the place of what is invalid."""
    identity = who(request, "administer")
    (policy,) = parse_policies({"policy_id": policy_id} | body, "policy")
    if policy["policy_id"] != policy_id:
        raise Problem("invalid_policy", "The body names another policy than the path.", path="policy_id")
    command = policy_command(policy, identity.organization_id, envelope(identity, key_of(request)))
    return await answered(request, command, {"status": "accepted", "command": "DefineAccessPolicy", "id": policy_id})


@router.delete("/v1/policies/{policy_id}", response_model=Done, responses=ACCEPTED, operation_id="retirePolicy")
@takes(*CHANGES)
async def retire_policy(request: Request, policy_id: PolicyId) -> Response:
    """Let an access policy count no more."""
    identity = who(request, "administer")
    command = RetireAccessPolicy(
        **envelope(identity, key_of(request)), organization_id=identity.organization_id, policy_id=policy_id
    )
    return await answered(request, command, {"status": "accepted", "command": "RetireAccessPolicy", "id": policy_id})
