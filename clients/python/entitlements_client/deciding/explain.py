"""The dry run: the five steps of one decision, with the outcome of every condition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from entitlements_client.deciding.conditions import COMBINED, Condition
from entitlements_client.deciding.context import NO_CONTEXT, Request, context_of
from entitlements_client.deciding.decide import decide
from entitlements_client.deciding.fields import Facts, Values, action_of
from entitlements_client.deciding.instants import now_seconds, rfc3339
from entitlements_client.deciding.policies import Policy, PolicySet
from entitlements_client.deciding.view import CustomerView

#: What a condition, or one of its parts, came to.
OUTCOMES = {True: "holds", False: "does_not_hold", None: "cannot_be_judged"}


def explain(view: CustomerView, policies: PolicySet, request: Request, now: datetime | float) -> dict[str, Any]:
    """Decide as `decide` does and tell every step: context, matching, conditions, conflict_resolution, decision."""
    now_s = now_seconds(now)
    context = context_of(request)
    key: Any = request.resource_key
    entry = view.entitlements.get(key) if isinstance(key, str) else None
    # Of one that is too large nothing is looked at; the decision says so.
    facts = Facts(view, entry, request, context if context.fits else NO_CONTEXT, now_s)
    values = policies.fields.values(enumerate(policies.fields.readers), facts)
    matching = [(policy, _why_not(policy, request, now_s)) for policy in policies.policies]
    asked = [policy for policy, why_not in matching if why_not is None]
    outcomes = [(policy, [_outcome(one, policies, values)[1] for one in policy.conditions]) for policy in asked]
    held = [policy for policy, found in outcomes if all(one["outcome"] == "holds" for one in found)]
    return {
        "context": {
            "now": rfc3339(now_s),
            "request": {
                "customer_id": request.customer_id,
                "resource_key": request.resource_key,
                "quantity": request.quantity,
                "subject_id": request.subject_id,
                "action": action_of(request),
            },
            "context": context.to_document(),
            "subscription": view.subscription,
            "entitlement": None if entry is None else entry.to_document(),
            "fields": {policies.fields.field(place): value for place, value in values.items()},
        },
        "matching": [
            {**policy.named(), "name": policy.name, "matches": why_not is None, "why_not": why_not}
            for policy, why_not in matching
        ],
        "conditions": [{**policy.named(), "holds": policy in held, "conditions": found} for policy, found in outcomes],
        "conflict_resolution": _resolution(held),
        "decision": decide(view, policies, request, now_s).to_document(),
    }


def _why_not(policy: Policy, request: Request, now_s: float) -> str | None:
    """Why a policy is not asked; None: it is."""
    if not policy.enabled:
        return "disabled"
    key: Any = request.resource_key
    if not isinstance(key, str) or not policy.names(key):
        return "resource_key"
    if policy.actions and action_of(request) not in policy.actions:
        return "action"
    if policy.applies is not None and not policy.applies(now_s):
        return "temporal"
    return None


def _outcome(condition: Condition, policies: PolicySet, values: Values) -> tuple[bool | None, dict[str, Any]]:
    """What a condition came to, as its test says, and the same of each of its parts. Each comparison is made once, however deep it is."""
    if condition.kind == "comparison":
        said = condition.test(values)
        return said, {
            "field": policies.fields.field(condition.place),
            "operator": condition.document["operator"],
            "value": condition.document.get("value"),
            "found": values[condition.place],
            "outcome": OUTCOMES[said],
        }
    parts = [_outcome(part, policies, values) for part in condition.parts]
    said = COMBINED[condition.kind]([part for part, _ in parts])
    told = [document for _, document in parts]
    return said, {condition.kind: told[0] if condition.kind == "not" else told, "outcome": OUTCOMES[said]}


def _resolution(held: Sequence[Policy]) -> dict[str, Any]:
    """Who wins among the policies that hold, and by what."""
    if not held:
        return {"held": [], "winner": None, "because": "no policy applies: the customer's entitlements decide"}
    winner, *others = held
    because = "the only policy whose conditions hold"
    if others:
        same = [other for other in others if other.priority == winner.priority]
        because = f"highest priority ({winner.priority})"
        if any(other.effect != winner.effect for other in same):
            because = f"DENY wins at the highest priority ({winner.priority})"
    return {"held": [policy.named() for policy in held], "winner": winner.named(), "because": because}
