"""When a view overrules what the service decided before it, though only the service can answer for sure."""

from __future__ import annotations

from dataclasses import replace

from entitlements_client.asking.memory import Known, KnownPolicies, includes, positions
from entitlements_client.deciding import CustomerView, Decision, Entry, Request, decide
from entitlements_client.deciding.decide import RESET_IS_DUE
from entitlements_client.deciding.fields import role_of


def refused_for_all(
    known: Known, policies: KnownPolicies, request: Request, now_s: float, last: Decision, last_at: float
) -> Decision | None:
    """The refusal by what is known now, where that is newer than the last decision and no cap or role could change it; else None.

    last_at: on our monotonic clock, when the last decision was made. A subject's cap only narrows, so a refusal without it stands.
    """
    found = decide(_without_unknowns(known.view, request), policies.policies, request, now_s, "STALE")
    if found.allowed:
        return None
    entry = known.view.entitlements.get(request.resource_key)
    if entry is None or not entry.allowed:
        # A policy that asks for a role that the view does not tell may have allowed a feature of which nothing is said.
        may_be_lifted = found.reason_code == "not_entitled" and last.reason_code == "policy_allowed"
        is_sure = found.reason_code != "policy_denied" and not (found.needs_service and may_be_lifted)
        if is_sure and (known.read_at > last_at or _is_further(known.view, last)):
            return found
    is_certain = found.needs_service in {"", RESET_IS_DUE}
    return found if is_certain and min(known.read_at, policies.read_at) > last_at else None


def _without_unknowns(view: CustomerView, request: Request) -> CustomerView:
    """The view as it is for a subject without a cap of its own, and with a role that is high enough where nobody knows it."""
    entry = view.entitlements.get(request.resource_key)
    if entry is None:
        return view
    has_role = view.members_complete or role_of(view, request) is not None
    document = entry.to_document() | {"has_subject_caps": False, "min_role": entry.min_role if has_role else ""}
    return replace(view, entitlements={**view.entitlements, request.resource_key: Entry.from_document(document)})


def _is_further(view: CustomerView, last: Decision) -> bool:
    """Whether the view includes everything that the decision did, and more."""
    of_view, of_last = positions(view.as_of.position), positions(last.as_of.position)
    return bool(of_last) and of_view != of_last and includes(of_view, of_last)
