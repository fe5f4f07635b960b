"""The rows of lists of what is defined, as list_bodies.py has those of pools."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias

from pydantic import Field

from entitlements.api.list_bodies import ListedRow, ListPage

Effect: TypeAlias = Literal["ALLOW", "DENY"]
PolicyStatus: TypeAlias = Literal["active", "retired"]
CampaignStatus: TypeAlias = Literal["active", "inactive"]
ApiKeyStatus: TypeAlias = Literal["active", "expired", "revoked"]
DataType: TypeAlias = Literal["boolean", "integer"]
EntitlementType: TypeAlias = Literal["boolean", "limit", "quota", "credit"]


class ListedSet(ListedRow):
    """A version of an entitlement set. `GET /v1/sets/{set_id}` has its rules."""

    set_id: str = Field(description="Id of the set. The list is sorted by it, then by version.")
    set_version: int = Field(description="Its version, from 1.")
    name: str = Field(description="Display name.")
    ladder: str | None = Field(description="Plan ladder it is on; null: none.")
    rung: int | None = Field(description="Its rung on the ladder.")
    inheritance: Literal["merge", "replace", "additive"] = Field(
        description="How its own rules combine with inherited ones."
    )
    defined_at: datetime = Field(description="When this version was defined.")
    actor: str = Field(description="Who defined it.")
    is_newest: bool = Field(description="Whether it is the newest version.")
    resource_keys: list[str] = Field(description="Resource keys it has rules for.")


class SetList(ListPage):
    """A page of entitlement sets."""

    items: list[ListedSet] = Field(description="The rows of this page.")


class ListedResourceKey(ListedRow):
    """A resource key. `GET /v1/resource-keys/{resource_key}` has its definition document."""

    resource_key: str = Field(description="The resource key. The list is sorted by it.")
    name: str | None = Field(description="Display name.")
    data_type: DataType | None = Field(description="Type of its values: boolean or integer.")
    entitlement_type: EntitlementType | None = Field(
        description="Entitlement type of its rules; null: no definition document."
    )
    unit: str | None = Field(description="Unit of its quantities; empty for features.")
    scale: int | None = Field(description="Decimal places shown: 1250 at scale 2 is displayed as 12.50.")
    default_value: int | None = Field(
        description="Default for pools without a provision of this key; a feature: 1 or 0."
    )
    defined_at: datetime | None = Field(description="When it was last defined.")
    actor: str | None = Field(description="Who last defined it.")


class ResourceKeyList(ListPage):
    """A page of resource keys."""

    items: list[ListedResourceKey] = Field(description="The rows of this page.")


class ListedPolicy(ListedRow):
    """An access policy."""

    organization_id: str = Field(description="Organization of the policy.")
    policy_id: str = Field(description="Id of the policy, unique within its organization.")
    name: str = Field(description="Display name; may be empty.")
    effect: Effect = Field(description="ALLOW or DENY; at the same priority DENY wins.")
    priority: int = Field(description="The highest priority wins. The list is sorted by it, highest precedence first.")
    status: PolicyStatus = Field(description="retired: it no longer applies.")
    policy_version: int = Field(description="Version of this policy.")
    policies_version: int = Field(description="Version of all policies of the organization at its last change.")
    document: dict[str, Any] = Field(description="The policy as it was defined.")
    changed_at: datetime = Field(description="When it was last defined or retired.")
    retired_at: datetime | None = Field(description="When it was retired; null: it applies.")
    actor: str = Field(description="Who last changed it.")


class PolicyList(ListPage):
    """A page of access policies, highest precedence first."""

    items: list[ListedPolicy] = Field(description="The rows of this page.")


class ListedCampaign(ListedRow):
    """A campaign: an entitlement set granted to many pools for a limited time."""

    campaign_id: str = Field(description="Id of the campaign. The list is sorted by it.")
    name: str = Field(description="Display name; may be empty.")
    set_id: str = Field(description="Entitlement set it provides.")
    set_version: int = Field(description="Version of the set.")
    quantity: int = Field(description="How many times the set is provided.")
    priority: int = Field(description="Burn order: the lowest priority is consumed first.")
    status: CampaignStatus = Field(description="Whether it is active.")
    starts_at: datetime = Field(description="Start of its window.")
    ends_at: datetime = Field(description="End of its window, exclusive.")
    reason: str = Field(description="Reason.")
    changed_at: datetime = Field(description="When it was last changed.")
    actor: str = Field(description="Who last changed it.")


class CampaignList(ListPage):
    """A page of campaigns."""

    items: list[ListedCampaign] = Field(description="The rows of this page.")


class ListedApiKey(ListedRow):
    """An API key, without its secret."""

    organization_id: str = Field(description="Organization of the API key.")
    key_id: str = Field(description="Id of the API key: the part after ent_.")
    name: str = Field(description="Display name; may be empty.")
    scopes: list[str] = Field(description="Scopes: read, use, administer, audit.")
    act_for: list[str] | Literal["all"] = Field(description="Organizations the key may act for.")
    unit_id: str | None = Field(description="Unit it is bound to, including the units below it; null: none.")
    status: ApiKeyStatus = Field(description="active until revoked_at and expires_at.")
    created_at: datetime = Field(description="When it was created. The list is sorted by it, newest first.")
    expires_at: datetime | None = Field(description="When it expires; null: never.")
    revoked_at: datetime | None = Field(description="When it stops working; may be in the future. null: not revoked.")
    requests_per_s: int | None = Field(
        description="Rate limit in requests per second; null: the default of the service."
    )
    actor: str = Field(description="Who created or revoked it.")


class ApiKeyList(ListPage):
    """A page of API keys."""

    items: list[ListedApiKey] = Field(description="The rows of this page.")
