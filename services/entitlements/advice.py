"""What to do about an error, by its code: over HTTP after the sentence of `detail`, on the command line in a line of its own.

A test holds that every code of domain/errors.py and errors.py has advice here.
"""

from __future__ import annotations

from typing import Final

_ANOTHER_ID: Final = "Use another id, or send the values it has."
_SPLIT: Final = "Split it into several."

ADVICE: Final[dict[str, str]] = {
    # The service and its servers.
    "error": "See the log of the process.",
    "server_is_away": "Start the server or check its address, then retry.",
    "address_is_taken": "Stop the process that listens there, or choose another port.",
    "setting_is_wrong": "Correct the environment variable named here, then start again.",
    "outcome_unknown": "Retry with the same idempotency key: it takes effect once.",
    "ledger_error": "Stop, and verify the ledger before anything else writes to it.",
    "ledger_is_corrupt": "Restore this partition from a copy: no reader continues past this frame.",
    "ledger_has_a_gap": "Restore the missing frames from a copy: no reader continues past this frame.",
    # Any request.
    "invalid_request": "Correct it and try again.",
    "refused": "Correct it and send it again.",
    "invalid_command": "Correct it and send it again.",
    "command_is_too_large": _SPLIT,
    "unknown_thing": "Check the id.",
    "invalid_id": "An id has 1 to 128 characters and does not begin with `~`.",
    "invalid_quantity": "A quantity is an integer from 1 to 2^53 in the key's smallest unit.",
    "invalid_instant": "Write instants like 2026-01-31T12:00:00Z, with a time zone.",
    "invalid_period": "Use hour, day, week, month, year, lifetime or an ISO 8601 duration such as P14D, up to a hundred years.",
    "invalid_time_zone": "Use a name of the IANA database, such as Europe/Berlin.",
    "idempotency_key_reused": "Use a new key for a new request.",
    "effective_at_not_allowed": "Leave effective_at out.",
    "ambiguous_customer": "Name the organization.",
    # Pools and who uses them.
    "unknown_pool": "Check the id, or open the pool first (OpenPool).",
    "pool_already_exists": _ANOTHER_ID,
    "pool_is_closed": "Open another pool: closing is final.",
    "pool_is_suspended": "Resume it first (ResumePool).",
    "pool_is_elsewhere": "Send the command again: it is routed by the id of the pool.",
    "unknown_customer": "Assign the customer to a pool first (AssignWorkspace).",
    "customer_is_not_assigned": "Assign the customer to the pool first (AssignWorkspace).",
    # Provisions, grants and plans.
    "unknown_provision": "Check the id; the pool lists its provisions.",
    "provision_already_exists": _ANOTHER_ID,
    "provision_is_over": "Add a new provision under another id.",
    "provision_suspended": "Resume the provision first (ResumeProvision).",
    "no_billing_period": "Name an instant instead (`when: at` with ends_at), or set billing_period when you add provisions.",
    "too_many_provisions": "End provisions that are no longer needed, or use a quantity.",
    "unknown_grant": "Check the id; the pool lists its grants.",
    "grant_already_exists": _ANOTHER_ID,
    "grant_is_over": "Issue a new grant under another id.",
    "unknown_rung": "Use a rung of the ladder, or define the ladder again with this one (DefineLadder).",
    "ladder_mismatch": "Leave ladder and rung out: the set has them.",
    "ladder_is_occupied": "Change the plan instead (ChangePlan), or end that provision first.",
    "ladder_is_empty": "Add a provision instead (ProvisionPool).",
    "rules_conflict": "Define the rule with the type, period and stacking that the pool has.",
    # The catalogue.
    "unknown_set": "Check the id and version, or define the set first (DefineEntitlementSet).",
    "unknown_ladder": "Check the name, or define the ladder first (DefineLadder).",
    "unknown_key": "Check the name, or define the key (DefineResourceKey) and add it to a plan of the pool.",
    "invalid_rules": "Correct the rule named here, then define the set again.",
    "invalid_ladder": "Give it 1 to 1,000 rungs by rising number, each with a unique name of 1 to 128 characters.",
    "unknown_parent": "Define the parent first (DefineEntitlementSet).",
    "inheritance_cycle": "Remove one of these from what another inherits.",
    "inheritance_too_deep": "Inherit from fewer definitions.",
    "parents_disagree": "Replace the rule in the set itself, or define it alike in the parents.",
    # Usage.
    "not_entitled": "Add a provision or grant whose plan includes the key.",
    "quota_exceeded": "Use less, wait for the reset, or add to the plan.",
    "member_cap_reached": "Use less, or raise the cap of this member (CapMember).",
    "key_is_not_metered": "Check access to it instead of recording usage; only limits, quotas and credits are counted.",
    "key_is_not_held": "Take usage of a quota back with ReverseUsage or CorrectUsage.",
    "period_is_closed": "Report it in mode `report`: late usage is recorded without changing a closed period.",
    "more_than_is_held": "Release at most what is held.",
    "unknown_usage": "Check the id. Ids older than the dedupe window, and usage already taken back, are no longer on record.",
    "more_than_was_used": "Take back at most what was used.",
    "more_than_is_owed": "Forgive at most what is owed; without an amount all of it is forgiven.",
    "unknown_reservation": "Check the id: it may be committed, released or expired. Reserve again if you need to.",
    "reservation_already_exists": _ANOTHER_ID,
    "too_many_reservations": "Commit or release some first.",
    "unknown_override": "Check the id; the pool lists its overrides.",
    "override_already_exists": _ANOTHER_ID,
    # Organizations: units, policies, API keys; campaigns.
    "unknown_unit": "Check the id, or define the unit first (DefineUnit).",
    "unit_cycle": "Choose a parent that is not below the unit.",
    "unit_is_not_empty": "Move or remove them first.",
    "too_many_units": _SPLIT,
    "invalid_policy": "Correct the field named here; docs/policies.md describes each.",
    "unknown_policy": "Check the id; the organization lists its policies.",
    "too_many_policies": "Retire policies that are no longer needed.",
    "unknown_api_key": "Check the id; the organization lists its API keys.",
    "api_key_already_exists": _ANOTHER_ID,
    "api_key_is_over": "Create a new key: an id is used once.",
    "act_for_not_allowed": "Ask the operator to create it with `entitlements api-key create --act-for`.",
    "too_many_api_keys": "Revoke keys that are no longer needed.",
    "unknown_campaign": "Check the id, or define the campaign first (DefineCampaign).",
    "campaign_is_active": "Deactivate it first (DeactivateCampaign).",
    "too_many_pools": _SPLIT,
}  # fmt: skip
