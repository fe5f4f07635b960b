"""What an organization says of itself: its API keys and its access policies."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from entitlements.api.asking import at_least, headers_of, json_answer, key_of, services_of, who
from entitlements.api.auth import require_own
from entitlements.api.documents import ACCEPTED, PROBLEMS, Done
from entitlements.api.identity import Scope
from entitlements.api.problems import Problem
from entitlements.api.routes import Route
from entitlements.api.sending import answered, decided, envelope
from entitlements.domain.governance_commands import CreateApiKey, RetireAccessPolicy, RevokeApiKey
from entitlements.intake.api_keys import new_api_key
from entitlements.intake.policies import parse_policies, policy_command
from entitlements.intake.strict import Id, Instant, Strict
from entitlements_projections.reading import access

router = APIRouter(tags=["governance"], responses=PROBLEMS, route_class=Route)


class NewKey(Strict):
    """An API key to be made."""

    name: str = Field("", max_length=128, examples=["checkout"])
    scopes: list[Scope] = Field(min_length=1, examples=[["read", "use"]])
    act_for: Literal["all"] | list[Id] = Field(
        default_factory=list[str],
        description="Organizations to act for. Only the operator gives it, by the command line: 403 `act_for_not_allowed` here.",
    )
    unit_id: str = Field("", max_length=128, description="Only for customers in this unit and the units below it.")
    expires_at: Instant | None = None
    requests_per_s: int | None = Field(None, ge=1, le=1_000_000)


class KeyMade(BaseModel):
    """An API key. Its secret is told here and never again."""

    key_id: str
    key: str = Field(description="What is sent as a bearer token.", examples=["ent_k3f9a1c2d_..."])
    organization_id: str
    scopes: list[str]
    unit_id: str


class Keys(BaseModel):
    """The API keys of the organization, without their secrets."""

    keys: list[dict[str, Any]]


@router.get("/v1/keys", response_model=Keys, operation_id="apiKeys")
async def list_keys(request: Request) -> Response:
    """The organization's API keys, revoked ones too, the newest first."""
    identity, services = who(request, "administer"), services_of(request)
    found = await services.read(access.api_keys_of, identity.organization_id, at_least=at_least(request))
    return json_answer({"keys": found})


@router.post("/v1/keys", response_model=KeyMade, operation_id="createApiKey")
async def create_key(request: Request, body: NewKey) -> Response:
    """Create an API key. A key creates none that may do more than itself. It is valid as soon as the read models know it.

    The secret is made here and nobody keeps it: a repeat cannot tell it again, so there is no Idempotency-Key.
    """
    identity = who(request, "administer")
    require_own(identity, body.scopes)
    made = new_api_key()
    command = CreateApiKey(
        **envelope(identity),
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
    outcome = await decided(request, command)
    document = {
        "key_id": made.key_id,
        "key": made.token,
        "organization_id": identity.organization_id,
        "scopes": command.scopes,
        "unit_id": command.unit_id,
    }
    return json_answer(document, headers_of(outcome) | {"cache-control": "no-store"})


@router.delete("/v1/keys/{key_id}", response_model=Done, responses=ACCEPTED, operation_id="revokeApiKey")
async def revoke_key(request: Request, key_id: Id, revoke_at: Instant | None = None, reason: str = "") -> Response:
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
async def define_policy(
    request: Request,
    policy_id: Id,
    body: Annotated[
        dict[str, Any],
        Body(examples=[{"effect": "DENY", "resource_keys": ["export"],
                        "conditions": [{"field": "customer.region", "operator": "not_equals", "value": "eu"}]}]),
    ],
) -> Response:  # fmt: skip
    """Define an access policy, or change it. Refused with the place of what is invalid."""
    identity = who(request, "administer")
    (policy,) = parse_policies({"policy_id": policy_id} | body, "policy")
    if policy["policy_id"] != policy_id:
        raise Problem("invalid_policy", "The body names another policy than the path.", path="policy_id")
    command = policy_command(policy, identity.organization_id, envelope(identity, key_of(request)))
    return await answered(request, command, {"status": "accepted", "command": "DefineAccessPolicy", "id": policy_id})


@router.delete("/v1/policies/{policy_id}", response_model=Done, responses=ACCEPTED, operation_id="retirePolicy")
async def retire_policy(request: Request, policy_id: Id) -> Response:
    """Let an access policy count no more."""
    identity = who(request, "administer")
    command = RetireAccessPolicy(
        **envelope(identity, key_of(request)), organization_id=identity.organization_id, policy_id=policy_id
    )
    return await answered(request, command, {"status": "accepted", "command": "RetireAccessPolicy", "id": policy_id})
