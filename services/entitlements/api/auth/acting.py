"""For which organization a request is made: by the key itself, or by the header `Entitlements-Organization`.

A plain key is for its own organization and need not name it. A key with act_for names the organization in every request: none is
assumed, so a client that forgets the header changes nothing of the wrong organization.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import unquote_to_bytes

from entitlements.api.auth.errors import InvalidOrganization, OrganizationNotAllowed, OrganizationRequired
from entitlements.api.identity import Identity
from entitlements.domain.values import is_id

#: As HTTP servers give it: in small letters.
HEADER: Final = b"entitlements-organization"


def acting_for(identity: Identity, named: Sequence[bytes], operator_organization: str) -> Identity:
    """The identity that a request has by its header. named: each value of the header.

    Raises OrganizationRequired, OrganizationNotAllowed, InvalidOrganization.
    """
    organization_id = _organization_in(named)
    if not organization_id:
        if identity.act_for:
            raise OrganizationRequired
        return identity
    if not may_act_for(identity, organization_id, operator_organization):
        raise OrganizationNotAllowed
    if organization_id == identity.organization_id:
        return identity
    actor = f"{identity.actor}@{identity.key_organization_id} for {organization_id}"
    return replace(identity, organization_id=organization_id, actor=actor)


def may_act_for(identity: Identity, organization_id: str, operator_organization: str) -> bool:
    """Whether a key may name an organization. The operator's own is for its own keys alone: it owns the catalogue."""
    own = organization_id == identity.key_organization_id
    if identity.act_for == "all":
        return own or organization_id != operator_organization
    if identity.act_for:
        return organization_id in identity.act_for and (own or organization_id != operator_organization)
    return own


def _organization_in(named: Sequence[bytes]) -> str:
    """The organization that is named; empty: none. Bytes that a header cannot have are percent-encoded UTF-8."""
    if not named:
        return ""
    if len(named) > 1:
        raise InvalidOrganization("It is sent more than once.")
    try:
        organization_id = unquote_to_bytes(named[0].strip()).decode()
    except UnicodeDecodeError as error:
        raise InvalidOrganization("It must be percent-encoded UTF-8.") from error
    if not is_id(organization_id, 0):
        raise InvalidOrganization("An id has 1 to 128 characters, without NUL.")
    return organization_id
