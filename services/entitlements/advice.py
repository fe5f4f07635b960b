"""What to do about an error, by its code: over HTTP after the sentence of `detail`, on the command line in a line of its own.

A test holds that every code of domain/errors.py and errors.py has advice here.
"""

from __future__ import annotations

from typing import Final

_ANOTHER_ID: Final = "Use another id, or send the same values."
_SPLIT: Final = "Split it into several."

ADVICE: Final[dict[str, str]] = {
    # The service and its servers.
    "error": "See the log of the process.",
    "server_is_away": "Start the server or check its address, then retry.",
    "address_is_taken": "Stop the process that uses it, or choose another port.",
    "setting_is_wrong": "Correct the environment variable, then restart.",
    "outcome_unknown": "Retry with the same idempotency key; it takes effect once.",
    "ledger_error": "Stop all processes and verify the ledger before anything writes to it.",
    "ledger_is_corrupt": "Restore this partition from a backup. Readers stop at this frame.",
    "ledger_has_a_gap": "Restore the missing frames from a backup. Readers stop at this frame.",
    # Any request.
    "invalid_request": "Correct the request and retry.",
    "refused": "Correct the command and retry.",
    "invalid_command": "Correct the command and retry.",
    "command_is_too_large": _SPLIT,
    "unknown_thing": "Check the id.",
    "invalid_id": "An id has 1 to 128 characters and does not start with `~`.",
    "invalid_quantity": "A quantity is an integer from 1 to 2^53 in the key's smallest unit.",
    "invalid_instant": "Use RFC 3339 with a time zone, such as 2026-01-31T12:00:00Z.",
    "invalid_period": "Use hour, day, week, month, year, lifetime or an ISO 8601 duration such as P14D, up to 100 years.",
    "invalid_time_zone": "Use an IANA time zone, such as Europe/Berlin.",
    "too_many_idempotency_keys": "Retry later, or send commands that may be repeated anyway without a key.",
    "too_many_usage_ids": "Retry later, or send numbered batches (`source`, `sequence`), which need no ids.",
    "idempotency_key_reused": "Use a new key for a new request.",
    "effective_at_not_allowed": "Omit effective_at.",
    "ambiguous_customer": "Set the organization.",
    # Pools and who uses them.
    "unknown_pool": "Check the id, or open the pool first (OpenPool).",
    "pool_already_exists": _ANOTHER_ID,
    "pool_is_closed": "Open another pool; a closed pool cannot be reopened.",
    "pool_is_suspended": "Resume it first (ResumePool).",
    "pool_is_elsewhere": "Send the command again; it is routed by the pool id.",
    "unknown_organization": "Check the id; opening its first pool creates an organization.",
    "unknown_customer": "Assign the customer to a pool first (AssignWorkspace).",
    "customer_is_not_assigned": "Assign the customer to the pool first (AssignWorkspace).",
    # Provisions, grants and plans.
    "unknown_provision": "Check the id; the pool lists its provisions.",
    "provision_already_exists": _ANOTHER_ID,
    "provision_is_over": "Add a new provision under another id.",
    "provision_suspended": "Resume the provision first (ResumeProvision).",
    "no_billing_period": "Use `when: at` with ends_at, or add provisions with billing_period.",
    "too_many_provisions": "End provisions that are no longer needed, or use a quantity.",
    "unknown_grant": "Check the id; the pool lists its grants.",
    "grant_already_exists": _ANOTHER_ID,
    "grant_is_over": "Issue a new grant under another id.",
    "unknown_rung": "Use a rung of the ladder, or add this one to the ladder (DefineLadder).",
    "ladder_mismatch": "Omit ladder and rung; they come from the set.",
    "ladder_is_occupied": "Change the plan instead (ChangePlan), or end that provision first.",
    "ladder_is_empty": "Add a provision instead (ProvisionPool).",
    "rules_conflict": "Define the rule with the pool's type, period and stacking.",
    # The catalogue.
    "unknown_set": "Check the id and version, or define the set first (DefineEntitlementSet).",
    "unknown_ladder": "Check the name, or define the ladder first (DefineLadder).",
    "unknown_key": "Check the name, or define the key (DefineResourceKey) and add it to a plan of the pool.",
    "invalid_rules": "Correct the rule, then define the set again.",
    "invalid_ladder": "A ladder has 1 to 1,000 rungs in ascending order, each with a unique name of 1 to 128 characters.",
    "unknown_parent": "Define the parent first (DefineEntitlementSet).",
    "inheritance_cycle": "Remove one of these from the parents of another.",
    "inheritance_too_deep": "Inherit from fewer definitions.",
    "parents_disagree": "Override the rule in the set, or make the parents' rules equal.",
    # Usage.
    "not_entitled": "Add a provision or grant whose plan includes the key.",
    "quota_exceeded": "Use less, wait for the reset if the key has one, or upgrade the plan.",
    "member_cap_reached": "Use less, or raise the cap of this member (CapMember).",
    "key_is_not_metered": "Check access instead of recording usage; only limits, quotas and credits are metered.",
    "key_is_not_held": "Use ReverseUsage or CorrectUsage for a quota.",
    "period_is_closed": "Use mode `report`: late usage is recorded without changing the closed period.",
    "more_than_is_held": "Release at most the allocated quantity.",
    "unknown_usage": "Check the id. Usage older than the dedupe window, or already reversed, is no longer known.",
    "more_than_was_used": "Reverse at most the used quantity.",
    "more_than_is_owed": "Forgive at most the owed quantity, or omit the quantity to forgive all.",
    "unknown_reservation": "Check the id. The reservation may be committed, released or expired; reserve again.",
    "reservation_already_exists": _ANOTHER_ID,
    "too_many_reservations": "Commit or release some first.",
    "unknown_override": "Check the id; the pool lists its overrides.",
    "override_already_exists": _ANOTHER_ID,
    # Organizations: units, policies, API keys; campaigns.
    "unknown_unit": "Check the id, or define the unit first (DefineUnit).",
    "unit_cycle": "Choose a parent that is not below the unit.",
    "unit_is_not_empty": "Move or remove them first.",
    "too_many_units": _SPLIT,
    "too_many_roles": "Remove roles that are no longer needed (SetMemberRole).",
    "too_many_customers": "Remove customers that need no unit from theirs (PlaceWorkspace).",
    "too_many_assignments": "Assign pools to units further up, or change fewer customers at once.",
    "invalid_policy": "Correct the field; docs/policies.md describes each one.",
    "unknown_policy": "Check the id; the organization lists its policies.",
    "too_many_policies": "Retire policies that are no longer needed.",
    "unknown_api_key": "Check the id; the organization lists its API keys.",
    "api_key_already_exists": _ANOTHER_ID,
    "api_key_is_over": "Create a new key with another id.",
    "act_for_not_allowed": "Ask the operator to create it with `entitlements api-key create --act-for`.",
    "too_many_api_keys": "Revoke keys that are no longer needed.",
    "unknown_campaign": "Check the id, or define the campaign first (DefineCampaign).",
    "campaign_is_active": "Deactivate it first (DeactivateCampaign).",
    "too_many_pools": _SPLIT,
}  # fmt: skip
