"""The short way of POST /v1/check: what this worker can tell at once is told here; for whatever it cannot, the ordinary handler is asked.

Nothing is refused and nobody is waited for here, as in short_usage.py.
"""

from __future__ import annotations

from typing import Final

from starlette.types import Scope

from entitlements.access.judging import judge
from entitlements.api.answering import asked_by, has_ids, is_cheap
from entitlements.api.asking import CONSISTENCY, PARSED_AT_ONCE_BYTES
from entitlements.api.auth import identity_of
from entitlements.api.decision_json import json_of
from entitlements.api.media_types import is_plain_json
from entitlements.api.problems import Problem
from entitlements.api.reading_checks import one_question
from entitlements.api.services import Services
from entitlements_client.deciding import Request as Asked

PATH: Final = "/v1/check"
#: The header that asks for more than an answer.
_CONSISTENCY: Final = CONSISTENCY.encode()


def answer(services: Services, scope: Scope, body: bytes) -> bytes | None:
    """The answer to a question as JSON; None: the ordinary handler shall answer."""
    identity = identity_of(scope)
    policies = services.in_force.at_hand(identity.organization_id)
    if policies is None or "read" not in identity.scopes or identity.unit_id:
        return None
    asked = _question(scope, body)
    if asked is None or not is_cheap(policies, asked.resource_key):
        return None
    view = services.customer_views.at_hand(identity.organization_id, asked.customer_id, asked.resource_key)
    if view is None:
        return None
    decision = judge(view, policies.compiled, asked)
    if decision.needs_service:
        return None
    services.access_log.decided(identity, asked, decision)
    return json_of(decision)


def _question(scope: Scope, body: bytes) -> Asked | None:
    is_json = False
    for name, value in scope["headers"]:
        if name == b"content-type":
            is_json = is_plain_json(value)
        elif name == _CONSISTENCY:
            return None
    if not is_json or len(body) > PARSED_AT_ONCE_BYTES:
        return None
    try:
        one = one_question(body)
    except Problem:
        return None
    return asked_by(one) if has_ids(one) else None
