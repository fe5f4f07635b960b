"""Who may draw on a lease: it is the customer's and knows neither policies nor subjects, so a decision comes first."""

from __future__ import annotations

from typing import Final

from entitlements_client.deciding import Decision, Request

#: Where a decision was made by the view alone: by a subject's cap, which no view has, only the service refuses.
_BY_THE_VIEW: Final = frozenset({"LOCAL", "CACHED"})


def is_for_the_lease(request: Request, decision: Decision) -> bool:
    """Whether a decision leaves it to the lease: the quota, or the customer's cap, is used up.

    What a lease holds counts as used, so the lease may have what the decision cannot see.
    """
    if decision.allowed:
        return False
    if decision.reason_code == "quota_exceeded":
        return True
    by_customer = not request.subject_id or decision.source in _BY_THE_VIEW
    return decision.reason_code == "member_cap_reached" and by_customer


def may_draw(request: Request, decision: Decision) -> bool:
    """Whether units may be taken from the lease of the request's customer."""
    return decision.allowed or is_for_the_lease(request, decision)
