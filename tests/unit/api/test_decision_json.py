"""An answer that is put together from what was written before is the document of its decision, byte for byte."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from entitlements.api.decision_json import json_of
from entitlements_client.deciding import Context, CustomerView, PolicySet, Request, decide

NOW = 1_781_611_200.0
UNTIL = "2026-06-16T12:00:30Z"
#: A text that looks like what answers are divided at.
ODD = 'x","decided_at":"y\\'


def a_view(number: int) -> CustomerView:
    feature = {"entitlement_type": "boolean", "allowed": True, "reason_code": "allowed"}
    return CustomerView.from_document({
        "customer_id": ODD,
        "organization_id": "o",
        "as_of": {"position": f"0:{number}", "decided_at": UNTIL, "read_at": UNTIL, "lag_ms": number},
        "members": {"eve": "viewer"},
        "entitlements": {
            "held": feature | {"contributions": [{"provision_id": ODD, "decided_at": UNTIL, "ends_at": None}]},
            "ending": feature | {"valid_until": UNTIL, "ends_at": UNTIL},
            "local": feature | {"constraints": {"geographic_restrictions": ["EU"]}, "min_role": "editor"},
            "through": feature | {"reason_code": "inherited", "inherited_path": ["held"]},
            "quota": feature | {"entitlement_type": "quota", "limit": 9, "remaining": number, "has_subject_caps": True},
            "none": feature | {"allowed": False, "reason_code": "overridden"},
        },
    })  # fmt: skip


def policies(effect: str, version: int) -> PolicySet:
    policy = {
        "policy_id": "p", "effect": effect, "resource_keys": ["none", "held"],
        "conditions": [{"field": "metadata.x", "operator": "equals", "value": 1}],
    }  # fmt: skip
    return PolicySet.compile(
        {"organization_id": "o", "version": version, "policies": [policy], "keys": {"seats": "integer"}}
    )


QUESTIONS = st.tuples(
    st.integers(0, 1),
    st.integers(0, 2),
    st.sampled_from(["held", "ending", "local", "through", "quota", "none", "seats", "unknown"]),
    st.sampled_from([None, None, None, 1, 0]),
    st.sampled_from(["", "eve"]),
    st.sampled_from([None, {"client": {"location": "DE"}}, {"client": {"location": "US"}}, {"metadata": {"x": 1}}]),
    st.floats(0, 60),
)


@given(st.lists(QUESTIONS, min_size=2, max_size=12))
def test_whatever_was_asked_before_the_answer_is_that_of_its_decision(questions: list[tuple]) -> None:
    views = [a_view(0), a_view(5)]
    sets = [policies("ALLOW", 1), policies("DENY", 2), PolicySet.compile({"organization_id": "o", "version": 3})]
    for view, policy_set, key, quantity, subject, context, later in questions:
        asked = Request(
            ODD, key, quantity, subject, context=None if context is None else Context.from_document(context)
        )
        for _ in range(2):
            decision = decide(views[view], sets[policy_set], asked, NOW + later, "SERVICE")
            assert json_of(decision) == orjson.dumps(decision.to_document())
