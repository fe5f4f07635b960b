"""Decides questions: at once where that is cheap, else beside the loop, in slices, organizations in turns (apart.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import orjson
from starlette.requests import Request

from entitlements.access.judging import judge, view_for
from entitlements.api.asking import at_least, services_of
from entitlements.api.identity import Identity
from entitlements.api.problems import Problem
from entitlements.api.question_bodies import Check
from entitlements.api.services import Services
from entitlements.domain.values import is_id
from entitlements.operations.request_id import REQUEST_ID
from entitlements_client.deciding import Context, CustomerView, Decision, PolicySet
from entitlements_client.deciding import Request as Asked
from entitlements_client.deciding.decide import RESET_IS_DUE

#: Costs are in tenths of a microsecond (deciding/policies.py): what is decided in the loop at most, what a slice beside it may cost, and
#: what a question costs without its policies, its answer in JSON included.
_AT_ONCE_COST: Final = 5_000
_SLICE_COST: Final = 50_000
_QUESTION_COST: Final = 300
#: Questions whose ids are looked at before others have their turn.
_IDS_AT_ONCE: Final = 1_000

#: A decision, and its document as JSON; none yet where the view cannot tell.
_Answer = tuple[Decision, bytes]


async def answers_to(request: Request, identity: Identity, many: Sequence[Check]) -> list[bytes]:
    """The answer to each question as JSON. Raises Problem, TooManyRequests and what the services raise."""
    for place, one in enumerate(many, 1):
        if not (is_id(one.customer_id) and is_id(one.resource_key) and is_id(one.subject_id, 0)):
            raise Problem("invalid_id", "An id has 1 to 128 characters.")
        if place % _IDS_AT_ONCE == 0:
            await asyncio.sleep(0)
    services, organization_id = services_of(request), identity.organization_id
    if identity.unit_id:
        await services.units.require(identity, {one.customer_id for one in many})
    wanted = at_least(request)
    first, at_hand = many[0], None
    if len(many) == 1 and not wanted:
        at_hand = services.view_at_hand(organization_id, first.customer_id, first.resource_key)
    if at_hand is not None:
        views = {first.customer_id: at_hand}
    else:
        views = await services.views_of(organization_id, list({one.customer_id for one in many}), wanted)
    # After the views: what was waited for is in the policies, too.
    policies = await services.policies_of(organization_id, anew=wanted is not None)
    found = []
    for those, apart in _slices([_asked(one) for one in many], policies):
        answer = partial(_answers, views, policies)
        answers = await services.apart(organization_id, answer, those) if apart else answer(those)
        for asked, (decision, document) in zip(those, answers, strict=True):
            if not document:
                view = await newer(services, organization_id, views, asked, decision)
                again = partial(_answer, view, policies, asked)
                decision, document = await services.apart(organization_id, again) if apart else again()  # noqa: PLW2901
            services.access_log.decided(identity, asked, decision)
            found.append(document)
    return found


def _slices(asked: Sequence[Asked], policies: PolicySet) -> list[tuple[Sequence[Asked], bool]]:
    """Questions that are decided together, each slice with whether that is done beside the loop."""
    costs = [_QUESTION_COST + policies.cost_about(one.resource_key) for one in asked]
    if sum(costs) <= _AT_ONCE_COST:
        return [(asked, False)]
    found, start, cost = list[tuple[Sequence[Asked], bool]](), 0, 0
    for place, each in enumerate(costs):
        if place > start and cost + each > _SLICE_COST:
            found.append((asked[start:place], True))
            start, cost = place, 0
        cost += each
    return [*found, (asked[start:], True)]


def _answers(views: Mapping[str, CustomerView], policies: PolicySet, asked: Sequence[Asked]) -> list[_Answer]:
    found = []
    for one in asked:
        decision = judge(views[one.customer_id], policies, one)
        found.append((decision, b"" if decision.needs_service else orjson.dumps(decision.to_document())))
    return found


def _answer(view: CustomerView, policies: PolicySet, asked: Asked) -> _Answer:
    decision = judge(view, policies, asked)
    return decision, orjson.dumps(decision.to_document())


def _asked(one: Check) -> Asked:
    context = Context() if one.context is None else one.context.context()
    if context.request_id is None:
        # In the access log a decision is found by the id that the answer carries.
        context.request_id = REQUEST_ID.get()
    return Asked(one.customer_id, one.resource_key, one.quantity, one.subject_id, one.action, context)


async def newer(
    services: Services, organization_id: str, views: dict[str, CustomerView], asked: Asked, decision: Decision
) -> CustomerView:
    """The view that can tell: read anew where something became due (for all who ask after this), and with what concerns the subject."""
    if decision.needs_service in {"valid_until_over", RESET_IS_DUE}:
        views |= await services.fresh_views(organization_id, [asked.customer_id])
    view = views[asked.customer_id]
    return await services.read(view_for, view, asked) if asked.subject_id else view
