"""What a bearer token says of who presents it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from entitlements.api.identity import OWN, SCOPES, ActFor, Identity, Unauthenticated
from entitlements.domain.values import is_id

if TYPE_CHECKING:
    from entitlements.settings import Settings


def identity_by(claims: Mapping[str, Any], settings: Settings) -> Identity:
    """Who presents a token whose claims are proven. Raises Unauthenticated when they name no organization or nobody."""
    organization_id, subject = _claim(claims, settings.oidc_organization_claim), claims.get("sub")
    if not isinstance(organization_id, str) or not is_id(organization_id):
        raise Unauthenticated(f"The token has no organization in the claim {settings.oidc_organization_claim}.")
    if not isinstance(subject, str) or not is_id(subject):
        raise Unauthenticated("The token needs a sub claim of 1 to 128 characters.")
    return Identity(
        key_id=f"oidc:{subject}",
        organization_id=organization_id,
        key_organization_id=organization_id,
        act_for=_act_for(claims, settings.oidc_act_for_claim),
        scopes=_scopes(_claim(claims, settings.oidc_scope_claim), settings.oidc_scope_prefix),
        actor=subject,
        requests_per_s=settings.key_requests_per_s,
        body_bytes_max=settings.key_body_bytes_max,
    )


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its whole name, dots and all, as some issuers name theirs by URLs; else by its path."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _act_for(claims: Mapping[str, Any], name: str | None) -> ActFor:
    """For which organizations the token may act, where the operator trusts its issuer with that. Raises Unauthenticated."""
    told = None if name is None else _claim(claims, name)
    if told is None:
        return OWN
    if told == "all":
        return "all"
    if not isinstance(told, list) or not all(isinstance(each, str) and is_id(each) for each in told):
        raise Unauthenticated(f'The claim {name} of the token must be "all" or a list of organizations.')
    return frozenset(told)


def _scopes(told: Any, prefix: str) -> frozenset[str]:
    words = told.split() if isinstance(told, str) else told if isinstance(told, list) else []
    ours = {word.removeprefix(prefix) for word in words if isinstance(word, str) and word.startswith(prefix)}
    return frozenset(ours) & frozenset(SCOPES)
