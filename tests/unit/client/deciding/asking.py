"""Short ways to say what a customer has, which policies there are, and what is asked."""

from typing import Any

from entitlements_client.deciding import Context, CustomerView, Decision, PolicySet, Request, decide

#: Tuesday, 2026-06-16 12:00 UTC.
NOW = 1_781_611_200.0


def a_view(entitlements: dict[str, Any] | None = None, **more: Any) -> CustomerView:
    document = {
        "customer_id": "c1",
        "organization_id": "o1",
        "as_of": {"position": "0:7"},
        "entitlements": entitlements or {},
    }
    return CustomerView.from_document(document | more)


def held(**more: Any) -> dict[str, Any]:
    return {"entitlement_type": "boolean", "allowed": True, "reason_code": "allowed"} | more


def a_quota(remaining: int | None, **more: Any) -> dict[str, Any]:
    allowed = remaining is None or remaining > 0
    code = "allowed" if allowed else "quota_exceeded"
    return {"entitlement_type": "quota", "allowed": allowed, "reason_code": code, "remaining": remaining} | more


def a_policy(policy_id: str = "p", effect: str = "ALLOW", **more: Any) -> dict[str, Any]:
    return {"policy_id": policy_id, "effect": effect} | more


def compiled(*policies: dict[str, Any], **more: Any) -> PolicySet:
    return PolicySet.compile({"organization_id": "o1", "version": 3, "policies": list(policies)} | more)


def ask(view: CustomerView, *policies: dict[str, Any], key: str = "f", now: float = NOW, **asked: Any) -> Decision:
    context = asked.pop("context", None)
    request = Request("c1", key, context=None if context is None else Context.from_document(context), **asked)
    return decide(view, compiled(*policies), request, now)


def code_of(view: CustomerView, *policies: dict[str, Any], **asked: Any) -> str:
    return ask(view, *policies, **asked).reason_code


def judged(
    condition: dict[str, Any], context: dict[str, Any] | None = None, view: CustomerView | None = None, **asked: Any
) -> bool:
    """Whether a condition holds: it grants a feature that nothing else grants."""
    return ask(view or a_view(), a_policy(conditions=[condition]), context=context or {}, **asked).allowed
