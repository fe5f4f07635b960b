"""Customers that cannot exist: their ids are none. They are answered here, before any request: no path of a URL could name them."""

from __future__ import annotations

from typing import Any

from entitlements_client.deciding import AsOf, CustomerView, Decision, PolicySet, Request, decide
from entitlements_client.deciding.policies import ID_CHARACTERS_MAX
from entitlements_client.transport.call import NO_SEGMENTS


def may_exist(customer_id: Any) -> bool:
    """Whether there may be such a customer: an id has 1 to 128 characters, no zero character, and is a segment of a path."""
    if type(customer_id) is not str:
        return True  # What is no text is a wrong request, for which an error is raised.
    return 1 <= len(customer_id) <= ID_CHARACTERS_MAX and "\0" not in customer_id and customer_id not in NO_SEGMENTS


def decide_on_nobody(request: Request, policies: PolicySet, now_s: float) -> Decision:
    """The answer of a customer that cannot exist: not entitled, whatever is allowed by policies. These only tell what keys are."""
    view = CustomerView(request.customer_id, policies.organization_id, AsOf(), {})
    none = PolicySet(policies.organization_id, policies.version, (), policies.fields, (), policies.keys)
    return decide(view, none, request, now_s, "LOCAL")
