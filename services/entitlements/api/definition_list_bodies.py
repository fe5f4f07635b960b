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

    set_id: str = Field(description="Id of the set. Sorts the list, then the version.")
    set_version: int = Field(description="Its version, from 1.")
    name: str = Field(description="Display name.")
    ladder: str | None = Field(description="Plan ladder that it is on; null: none.")
    rung: int | None = Field(description="Its rung there.")
    inheritance: Literal["merge", "replace", "additive"] = Field(description="How it changes what it extends.")
    defined_at: datetime = Field(description="When this version was defined.")
    actor: str = Field(description="Who defined it.")
    is_newest: bool = Field(description="Whether it is the newest version.")
    resource_keys: list[str] = Field(description="Keys that it has rules for.")


class SetList(ListPage):
    """Entitlement sets, by id."""

    items: list[ListedSet] = Field(description="The rows of this page.")


class ListedResourceKey(ListedRow):
    """A resource key. `GET /v1/resource-keys/{resource_key}` has its definition document."""

    resource_key: str = Field(description="The key. Sorts the list.")
    name: str | None = Field(description="Display name.")
    data_type: DataType | None = Field(description="Type of its values.")
    entitlement_type: EntitlementType | None = Field(description="Type of its rules; null: no definition document.")
    unit: str | None = Field(description="Unit of its quantities; empty for features.")
    scale: int | None = Field(description="Decimals shown: 1250 at scale 2 is 12.50.")
    default_value: int | None = Field(description="What pools have when nothing confers it; a feature: 1 or 0.")
    defined_at: datetime | None = Field(description="When it was described last.")
    actor: str | None = Field(description="Who described it last.")


class ResourceKeyList(ListPage):
    """Resource keys, by key."""

    items: list[ListedResourceKey] = Field(description="The rows of this page.")


class ListedPolicy(ListedRow):
    """An access policy."""

    organization_id: str = Field(description="Organization of the policy.")
    policy_id: str = Field(description="Id of the policy, unique in its organization.")
    name: str = Field(description="Display name; may be empty.")
    effect: Effect = Field(description="Of two policies with one priority DENY wins.")
    priority: int = Field(description="Higher wins. Sorts the list: the policy that wins comes first.")
    status: PolicyStatus = Field(description="retired: it no longer applies.")
    policy_version: int = Field(description="Version of this policy.")
    policies_version: int = Field(description="Version of all policies of the organization at its last change.")
    document: dict[str, Any] = Field(description="The policy as it was defined.")
    changed_at: datetime = Field(description="When it was defined or retired last.")
    retired_at: datetime | None = Field(description="When it was retired; null: it counts.")
    actor: str = Field(description="Who changed it last.")


class PolicyList(ListPage):
    """Access policies; the one that wins comes first."""

    items: list[ListedPolicy] = Field(description="The rows of this page.")


class ListedCampaign(ListedRow):
    """A campaign: a set that is conferred on many pools for a window of time."""

    campaign_id: str = Field(description="Id of the campaign. Sorts the list.")
    name: str = Field(description="Display name; may be empty.")
    set_id: str = Field(description="Entitlement set that it confers.")
    set_version: int = Field(description="Version of the set.")
    quantity: int = Field(description="How many times the set is conferred.")
    priority: int = Field(description="Burn order: lower is used first.")
    status: CampaignStatus = Field(description="Whether it is activated.")
    starts_at: datetime = Field(description="Start of its window.")
    ends_at: datetime = Field(description="End of its window, exclusive.")
    reason: str = Field(description="Why.")
    changed_at: datetime = Field(description="When it was changed last.")
    actor: str = Field(description="Who changed it last.")


class CampaignList(ListPage):
    """Campaigns, by id."""

    items: list[ListedCampaign] = Field(description="The rows of this page.")


class ListedApiKey(ListedRow):
    """An API key, without its secret."""

    organization_id: str = Field(description="Organization of the key.")
    key_id: str = Field(description="Id of the key: what follows ent_.")
    name: str = Field(description="Display name; may be empty.")
    scopes: list[str] = Field(description="What it may be used for: read, use, administer, audit.")
    act_for: list[str] | Literal["all"] = Field(description="Organizations that it may act for by naming them.")
    unit_id: str | None = Field(description="Unit that it is bound to, with all units below it; null: none.")
    status: ApiKeyStatus = Field(description="active until revoked_at and expires_at.")
    created_at: datetime = Field(description="When it was made. Sorts the list, newest first.")
    expires_at: datetime | None = Field(description="When it expires; null: never.")
    revoked_at: datetime | None = Field(description="When it stops working; may be in the future.")
    requests_per_s: int | None = Field(description="Its rate limit; null: the service's.")
    actor: str = Field(description="Who made or revoked it.")


class ApiKeyList(ListPage):
    """API keys, newest first."""

    items: list[ListedApiKey] = Field(description="The rows of this page.")
