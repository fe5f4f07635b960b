"""Authentication and limits: API keys, OIDC bearer tokens, scopes, rate limits and body sizes.

errors     refusals of the middleware
scopes     what a request may do; none implies another
keys       API keys, and where they come from: Postgres
api_keys   identity by an API key, remembered for a stated time
signing    the issuer's public keys: fetched, kept, renewed in the background
claims     claims of a bearer token: organization, scopes, actor
oidc       identity by a bearer token
either     API key or bearer token, by its format
acting     for which organization a request is made
organizations  the known organizations
rates      rate limits per key and organization
shared_rates   the same of all workers of a process together
bodies     reads bodies: how large they may be, and how long they may take
limits     how large bodies may be by path, and how many requests, bytes and questions an organization may have under way
door       the middleware that does all of it before anything else happens

Start reading at door.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from entitlements.api.auth.api_keys import ApiKeys
from entitlements.api.auth.door import Door, answering_of, identity_of
from entitlements.api.auth.either import ByForm, Knowing
from entitlements.api.auth.keys import ApiKey, KeySource, PostgresKeys
from entitlements.api.auth.limits import Limits
from entitlements.api.auth.oidc import BearerTokens
from entitlements.api.auth.organizations import RememberedOrganizations
from entitlements.api.auth.rates import Rates
from entitlements.api.auth.scopes import require, require_own
from entitlements.api.auth.signing import SigningKeys

if TYPE_CHECKING:
    from entitlements.settings import Settings

__all__ = [
    "ApiKey",
    "ApiKeys",
    "Door",
    "KeySource",
    "Knowing",
    "Limits",
    "PostgresKeys",
    "Rates",
    "RememberedOrganizations",
    "answering_of",
    "authenticator",
    "identity_of",
    "require",
    "require_own",
]


def authenticator(settings: Settings, source: KeySource | None = None) -> Knowing:
    """Who may ask by these settings: API keys (of Postgres unless a source is given), and bearer tokens of an issuer if one is set."""
    keys = ApiKeys(source or PostgresKeys(settings.postgres), settings)
    if settings.oidc_issuer is None:
        return keys
    return ByForm(keys, BearerTokens(SigningKeys(settings.oidc_issuer, settings.oidc_jwks_url), settings))
