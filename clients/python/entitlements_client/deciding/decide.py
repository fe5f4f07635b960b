"""May they? What the customer has answers first; then the policy that wins has the last word, as far as policies may."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from entitlements_client.deciding.context import Context, Request, context_of
from entitlements_client.deciding.decision import Decision
from entitlements_client.deciding.fields import Facts, FieldTable, action_of, role_of
from entitlements_client.deciding.instants import now_seconds
from entitlements_client.deciding.places import country_of
from entitlements_client.deciding.policies import Policy, PolicySet, Program
from entitlements_client.deciding.view import CustomerView, Entry

#: Why only the service can answer for sure where nothing but a reset has passed: what was allowed still is, what was refused may not be.
RESET_IS_DUE: Final = "reset_is_due"
#: Why only the service can answer where something that the answer rests on has ended.
VALID_UNTIL_OVER: Final = "valid_until_over"
#: The largest quantity that can be asked for.
QUANTITY_MAX: Final = 2**53
#: What members may be, with each including those before it.
ROLES: Final = ("viewer", "editor", "admin")
_RANKS: Final = {role: rank for rank, role in enumerate(ROLES, start=1)}
#: Of the entry's answers those that a smaller or larger quantity may change.
_BY_QUANTITY: Final = frozenset({"allowed", "inherited", "quota_exceeded", "member_cap_reached"})


def decide(
    view: CustomerView, policies: PolicySet, request: Request, now: datetime | float, source: str = "LOCAL"
) -> Decision:
    """Decide one request at an instant (aware, or seconds since 1970). Never raises for what callers send.

    Pure: the same arguments decide alike, here and in the service. Where `needs_service` of the decision is not empty the answer is the
    best that can be had of the view, and the service knows better.
    """
    now_s = now if type(now) is float else now_seconds(now)
    key = request.resource_key
    entry = view.entitlements.get(key) if type(key) is str else None
    needs = ""
    if entry is None:
        code, allowed = "not_entitled", False
    elif entry.is_plain:
        code, allowed = entry.reason_code, entry.allowed
    else:
        code, needs = _for_this_one(view, entry, request, now_s)
        allowed = code == entry.reason_code and entry.allowed
    if request.quantity is not None:
        code, allowed = _for_this_much(entry, request.quantity, code, allowed=allowed)
    is_bounded = request.context is None or context_of(request).fits
    if not is_bounded:
        code, allowed = "context_too_large", False
    program = policies.program(key) if policies.policies and type(key) is str else None
    matched: tuple[Policy, ...] = ()
    if program is not None and is_bounded and code != "invalid_quantity":
        matched, asks_role = _that_hold(view, entry, program, request, now_s)
        needs = needs or asks_role
        if matched:
            code, allowed = _by_policy(matched[0], policies, entry, request, code, allowed=allowed)
        if program.asks_subscription and now_s >= view.subscription_ends_s:
            needs = VALID_UNTIL_OVER
    if entry is not None and now_s >= entry.valid_until_s:
        needs = VALID_UNTIL_OVER if now_s >= entry.ends_s else needs or RESET_IS_DUE
    return Decision(allowed, code, view, entry, request, matched, policies.version, needs, now_s, source, policies)


def _for_this_one(view: CustomerView, entry: Entry, request: Request, now_s: float) -> tuple[str, str]:
    """The entry's answer for this subject, here and now, and why only the service knows better."""
    subject = request.subject_id
    needs = "subject_caps" if subject and entry.has_subject_caps else ""
    # What is used up is no answer yet: others may not use the key at all, and a lease may hold some of it still.
    if not entry.allowed and entry.reason_code not in _BY_QUANTITY:
        return entry.reason_code, needs
    if entry.constraints is not None or entry.inherited_path:
        constrained = _constrained(view, entry, context_of(request), now_s)
        if constrained is not None:
            return constrained, needs
    if subject and entry.min_role:
        role = role_of(view, request)
        if role is None and not view.members_complete:
            needs = needs or "members_incomplete"
        if _RANKS.get(role or "", 0) < _RANKS.get(entry.min_role, 0):
            return "role_is_too_low", needs
    return entry.reason_code, needs


def _constrained(view: CustomerView, entry: Entry, context: Context, now_s: float) -> str | None:
    """Why the key may not be used there and then, or one that grants it may not."""
    location = context.client.get("location")
    country = country_of(context.customer.get("country") if location is None or location == "" else location)
    through = [view.entitlements.get(key) for key in entry.inherited_path if key != entry.resource_key]
    for one in (entry, *through):
        found = None if one is None or one.constraints is None else one.constraints.against(country, now_s)
        if found is not None:
            return found
    return None


def _for_this_much(entry: Entry | None, quantity: int, code: str, *, allowed: bool) -> tuple[str, bool]:
    """The answer for a quantity, where it is not one that no quantity changes."""
    if type(quantity) is not int or not 1 <= quantity <= QUANTITY_MAX:
        return "invalid_quantity", False
    if entry is None or entry.entitlement_type == "boolean" or code not in _BY_QUANTITY:
        return code, allowed
    if entry.remaining is None or quantity <= entry.remaining:
        return code, allowed
    return ("quota_exceeded" if allowed else code), False


def _that_hold(
    view: CustomerView, entry: Entry | None, program: Program, request: Request, now_s: float
) -> tuple[tuple[Policy, ...], str]:
    """The policies that hold, who wins first, and why only the service knows better."""
    values = FieldTable.values(program.reads, Facts(view, entry, request, context_of(request), now_s))
    action = action_of(request)
    held: list[Policy] = []
    for policy in program.policies:
        if policy.actions and action not in policy.actions:
            continue
        if policy.applies is not None and not policy.applies(now_s):
            continue
        for place, judge in policy.comparisons:
            if judge(values[place]) is not True:
                break
        else:
            if not policy.trees or all(tree.test(values) is True for tree in policy.trees):
                held.append(policy)
    asks_role = ""
    if program.asks_role and request.subject_id and not view.members_complete and role_of(view, request) is None:
        asks_role = "members_incomplete"
    return tuple(held), asks_role


def _by_policy(
    winner: Policy, policies: PolicySet, entry: Entry | None, request: Request, code: str, *, allowed: bool
) -> tuple[str, bool]:
    """What the policy that wins makes of the answer. DENY denies. ALLOW grants a feature of which nothing is said, no more."""
    if winner.effect == "DENY":
        return "policy_denied", False
    if code != "not_entitled":
        return code, allowed
    # Of a key that the customer has not, its view does not tell what it is.
    is_feature = request.quantity is None if entry is None else entry.is_feature
    if is_feature and request.resource_key not in policies.metered_keys:
        return "policy_allowed", True
    return code, allowed
