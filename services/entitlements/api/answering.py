"""Decides questions: in the loop where that is cheap, else in a process of its own, in slices, organizations in turns (aside.py, turns.py)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from starlette.requests import Request

from entitlements.access.judging import judge, view_for
from entitlements.api import aside
from entitlements.api.asking import at_least, services_of
from entitlements.api.auth import answering_of
from entitlements.api.auth.limits import Answering
from entitlements.api.decision_json import json_of
from entitlements.api.disconnects import while_connected
from entitlements.api.identity import Identity
from entitlements.api.policies_in_force import Policies
from entitlements.api.problems import Problem
from entitlements.api.question_bodies import Check
from entitlements.api.services import Services
from entitlements.api.turns import slices
from entitlements.api.views import CUSTOMERS_AT_ONCE
from entitlements.domain.values import is_id
from entitlements.operations.request_id import REQUEST_ID
from entitlements_client.deciding import Context, CustomerView, Decision
from entitlements_client.deciding import Request as Asked
from entitlements_client.deciding.decide import RESET_IS_DUE

T = TypeVar("T")

#: Costs are in tenths of a microsecond (deciding/policies.py): of what is decided in the loop before others have their turn,
_AT_ONCE_COST: Final = 5_000
#: of all that one call has decided in the loop,
_IN_LOOP_COST: Final = 50_000
#: of a slice that is decided in another process,
_SLICE_COST: Final = 50_000
#: and of a question without its policies, its answer in JSON included.
_QUESTION_COST: Final = 300
#: Bytes of all answers of one call: 10,000 of them have some 2 KB each, and where hundreds of policies hold one has 100 KB.
ANSWERS_BYTES_MAX: Final = 64 * 1024 * 1024
#: Questions whose ids are looked at before others have their turn.
_IDS_AT_ONCE: Final = 1_000

#: A question, and the view that it is decided by.
_Pair: TypeAlias = tuple[CustomerView, Asked]
#: A decision, and its document as JSON.
_Answer: TypeAlias = tuple[Decision | aside.Answer, bytes]


async def answers_to(request: Request, identity: Identity, many: Sequence[Check]) -> list[bytes]:
    """The answer to each question as JSON. Raises Problem, TooManyRequests and what the services raise.

    They are counted as bytes of the organization that are under way, as bodies are.
    """
    for place, one in enumerate(many, 1):
        if not has_ids(one):
            raise Problem("invalid_id", "An id has 1 to 128 characters.")
        if place % _IDS_AT_ONCE == 0:
            await asyncio.sleep(0)
    services, organization_id = services_of(request), identity.organization_id
    if identity.unit_id:
        await services.units.require(identity, {one.customer_id for one in many})
    wanted, found = at_least(request), _Found(answering_of(request.scope))
    for part in slices(many, CUSTOMERS_AT_ONCE):
        views = await _views_for(request, organization_id, part, wanted)
        # After the views: what was waited for is in the policies, too.
        policies = await services.in_force.of(organization_id, anew=wanted is not None and not found.those)
        deciding = _Deciding(request, organization_id, policies)
        for those, is_cheap in _slices([asked_by(one) for one in part], policies):
            answers = await deciding.decided([(views[asked.customer_id], asked) for asked in those], is_cheap=is_cheap)
            for asked, (decision, document) in zip(those, answers, strict=True):
                if decision.needs_service:
                    view = await newer(services, organization_id, views, asked, decision.needs_service)
                    ((decision, document),) = await deciding.decided([(view, asked)], is_cheap=is_cheap)  # noqa: PLW2901
                services.access_log.decided(identity, asked, decision)
                found.add(document)
            if len(found.those) < len(many):
                await asyncio.sleep(0)
    return found.those


class _Found:
    """The answers of one call, as many bytes as it may have."""

    def __init__(self, answering: Answering) -> None:
        self._answering, self._size = answering, 0
        self.those: list[bytes] = []

    def add(self, document: bytes) -> None:
        """Raises Problem: they are too large; TooManyRequests: all of the organization's are."""
        self._size += len(document)
        if self._size > ANSWERS_BYTES_MAX:
            raise Problem(
                "invalid_request",
                f"The answers have more than {ANSWERS_BYTES_MAX} bytes; send fewer checks in one request.",
            )
        self._answering.hold(len(document))
        self.those.append(document)


async def _views_for(
    request: Request, organization_id: str, part: Sequence[Check], wanted: Mapping[int, int] | None
) -> dict[str, CustomerView]:
    """The views that some questions are decided by. Raises as CustomerViews.of; Problem: the client has gone."""
    loading, first = services_of(request).customer_views, part[0]
    if len(part) > 1:
        customer_ids = list({one.customer_id for one in part})
        return await while_connected(request.receive, loading.of(organization_id, customer_ids, wanted))
    view = None if wanted else loading.at_hand(organization_id, first.customer_id, first.resource_key)
    if view is not None:
        return {first.customer_id: view}
    return await loading.of(organization_id, [first.customer_id], wanted)


@dataclass(slots=True)
class _Deciding:
    request: Request
    organization_id: str
    policies: Policies

    async def decided(self, pairs: Sequence[_Pair], *, is_cheap: bool) -> Sequence[_Answer]:
        """Decide some questions. Raises as `in_another_process`."""
        if is_cheap:
            return [_rendered(judge(view, self.policies.compiled, asked)) for view, asked in pairs]
        part = [(aside.needed(view, asked.resource_key), asked) for view, asked in pairs]
        found = await in_another_process(
            self.request, self.organization_id, aside.answers, self.organization_id, self.policies.document, part
        )
        return [(answer, answer.document) for answer in found]


async def in_another_process(request: Request, organization_id: str, function: Callable[..., T], *arguments: Any) -> T:
    """Call a function of aside.py there, for as long as the client waits. Raises as Services.aside; Problem: the client has gone."""
    calling = services_of(request).aside(organization_id, function, *arguments)
    return await while_connected(request.receive, calling)


def has_ids(one: Check) -> bool:
    """Whether a question names customer, key and subject by what can be their ids."""
    return is_id(one.customer_id) and is_id(one.resource_key) and is_id(one.subject_id, 0)


def is_cheap(policies: Policies, resource_key: str) -> bool:
    """Whether a question about a key is decided in the loop, however its policies turn out."""
    return _cost_of(policies, resource_key) <= _AT_ONCE_COST


def _cost_of(policies: Policies, resource_key: str) -> int:
    return _QUESTION_COST + policies.compiled.cost_about(resource_key)


def _rendered(decision: Decision) -> _Answer:
    return decision, json_of(decision)


def _slices(asked: Sequence[Asked], policies: Policies) -> Iterator[tuple[Sequence[Asked], bool]]:
    """Questions that are decided together, each slice with whether that is cheap enough for the loop."""
    costs = [_cost_of(policies, one.resource_key) for one in asked]
    fits_the_loop = max(costs) <= _AT_ONCE_COST and sum(costs) <= _IN_LOOP_COST
    slice_cost = _AT_ONCE_COST if fits_the_loop else _SLICE_COST
    start = cost = 0
    for place, each in enumerate(costs):
        if place > start and cost + each > slice_cost:
            yield asked[start:place], fits_the_loop
            start, cost = place, 0
        cost += each
    yield asked[start:], fits_the_loop


def asked_by(one: Check) -> Asked:
    """A question as decisions take it."""
    context = Context() if one.context is None else one.context.context()
    if context.request_id is None:
        # In the access log a decision is found by the id that the answer carries.
        context.request_id = REQUEST_ID.get()
    return Asked(one.customer_id, one.resource_key, one.quantity, one.subject_id, one.action, context)


async def newer(
    services: Services, organization_id: str, views: dict[str, CustomerView], asked: Asked, needs_service: str
) -> CustomerView:
    """The view that can tell: read anew where something became due (for all who ask after this), and with what concerns the subject."""
    if needs_service in {"valid_until_over", RESET_IS_DUE}:
        views |= await services.customer_views.newest(organization_id, asked.customer_id)
    view = views[asked.customer_id]
    return await services.read(organization_id, view_for, view, asked) if asked.subject_id else view
