"""Whose usage it is, which pool is asked, and many decided side by side: what usage and reservations share."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Protocol

from pydantic import Field, model_validator
from starlette.requests import Request
from starlette.responses import Response

from entitlements.access.checking import which_decides
from entitlements.api.asking import at_least, caught_up, headers_of, json_answer, reached, services_of
from entitlements.api.auth import identity_of
from entitlements.api.auth.errors import OutsideUnit
from entitlements.api.identity import Identity
from entitlements.api.problems import Problem, problem_of, refused
from entitlements.api.sending import decided
from entitlements.api.windows import LINES_OF_A_COMMAND
from entitlements.domain.commands import PoolCommand
from entitlements.domain.overflow import asks_the_next
from entitlements.domain.values import QUANTITY_MAX
from entitlements.errors import EntitlementsError
from entitlements.intake.strict import Id, MaybeId, Strict
from entitlements.ledger.caller import Outcome

Quantity = Annotated[int, Field(ge=1, le=QUANTITY_MAX, description="Quantity in the smallest unit of the key.")]
Seconds = Annotated[
    int, Field(ge=1, le=30 * 86_400, description="Seconds until it expires, counted from the decision.")
]
#: Single requests that one call may hold.
MANY_MAX = 10_000
#: Of these so many are under way at once; of all calls of an organization as many as fit into its window (windows.py).
_AT_ONCE = 40


class Whose(Strict):
    """Who uses it: a customer, by its pools in their order; or one pool. One of `customer_id` and `pool_id` is required."""

    customer_id: Id | None = Field(
        None, description="The customer. Its pools are tried in their order. Required without `pool_id`."
    )
    pool_id: Id | None = Field(None, description="Use this pool only. Required without `customer_id`.")
    subject_id: MaybeId = Field("", description="The member of the customer; empty: none.")

    @model_validator(mode="after")
    def _somebody(self) -> Whose:
        if self.customer_id is None and self.pool_id is None:
            raise ValueError("customer_id or pool_id is required")
        return self


class OfWhom(Protocol):
    """A Whose, by whichever way it was read."""

    customer_id: str | None
    pool_id: str | None


class Pools(NamedTuple):
    """The pools to ask in their order, and whether usage may go on from each."""

    those: list[tuple[str, bool]]
    #: The customer that has them by a view that this worker keeps: what changed a moment ago may not be in it. Empty: they are certain.
    believed_of: str = ""
    #: No other is asked after the first.
    first_only: bool = False

    @property
    def first(self) -> str:
        """The pool that is asked first."""
        return self.those[0][0]


async def pools_of(request: Request, identity: Identity, whose: OfWhom, *, is_certain: bool = False) -> Pools:
    """The pools of a customer, or the one that is named. is_certain: not by what this worker remembers.

    Raises Problem: unknown_customer; OutsideUnit, ServerIsAway.
    """
    if identity.unit_id:
        # What names no customer is of the pool as a whole, which others use too.
        if whose.customer_id is None:
            raise OutsideUnit
        await services_of(request).units.require(identity, [whose.customer_id])
    if whose.pool_id is not None:
        return Pools([(whose.pool_id, False)])
    assert whose.customer_id is not None, "the body was checked"
    if at_least(request) is None:
        known = services_of(request).customer_pools
        if not is_certain and (pools := known.at_hand(identity.organization_id, whose.customer_id)):
            return Pools(pools, whose.customer_id)
        read = known.newest if is_certain else known.read
        if pools := await read(identity.organization_id, whose.customer_id):
            return Pools(pools)
    return Pools(await _newest_pools_of(request, identity, whose.customer_id))


async def _newest_pools_of(request: Request, identity: Identity, customer_id: str) -> list[tuple[str, bool]]:
    """The pools of a customer by the read models at this moment."""
    found = await services_of(request).pools_of(
        identity.organization_id, [customer_id], await reached(request), lambda: caught_up(request)
    )
    if customer_id not in found:
        raise Problem("unknown_customer", "The customer is not assigned to a pool.")
    return found[customer_id]


async def pools_for(
    request: Request,
    identity: Identity,
    whose: OfWhom,
    find: Callable[..., str | None],
    id: str,
    *,
    is_named: bool,
    is_awaited: bool = True,
) -> Pools:
    """As pools_of; only the pool that took an id before, if one did. find: asks the read models for it. is_named: the caller knows
    the id and may repeat it. is_awaited: somebody hears what the pool says.

    A repeat counts there, whichever pool comes first by now: it may have room again, have the key only now, or be the first since.
    A pool that is only remembered would take it once more. And of what nobody waits for nobody would hear that such a pool refused it.
    """
    pools = await pools_of(request, identity, whose, is_certain=is_named or not is_awaited)
    if len(pools.those) < 2 or not is_named:
        return pools
    pool_ids = [pool_id for pool_id, _ in pools.those]
    found = await services_of(request).pool_with(identity.organization_id, find, pool_ids, id)
    return pools if found is None else Pools([(found, False)])


class SameUnderKey:
    """What a request says under the ids that follow from its key, held against what was made under them before.

    The pool that is asked first may not be the one that knows the key: it cannot tell that the request is another one.
    """

    def __init__(
        self,
        request: Request,
        identity: Identity,
        find: Callable[..., list[tuple[str, tuple[Any, ...]]]],
        said: Mapping[str, tuple[Any, ...]],
    ) -> None:
        """find: reads what an organization's pools have made under ids. said: by id, in its form."""
        self._services, self._organization_id = services_of(request), identity.organization_id
        self._find, self._said = find, said
        self._asked: asyncio.Task[bool] | None = None

    async def require_same(self) -> None:
        """Raises Problem: idempotency_key_reused. Looked up once, for all parts."""
        if self._asked is None:
            self._asked = asyncio.ensure_future(self._is_same())
        if not await asyncio.shield(self._asked):
            raise refused("idempotency_key_reused")

    async def _is_same(self) -> bool:
        await self._services.catch_up()

        def find(connection: Any, ids: Sequence[str]) -> list[tuple[str, tuple[Any, ...]]]:
            return self._find(connection, self._organization_id, ids)

        parts = await self._services.read_many(self._organization_id, find, self._said)
        return all(made == self._said[name] for found in parts for name, made in found)


async def first_that_takes(
    request: Request, identity: Identity, pools: Pools, command_for: Callable[[str], PoolCommand]
) -> tuple[str, Outcome]:
    """Ask the pools in their order. Raises Problem: what the pool says that decides (docs/architecture.md 5: never split).

    Where pools that were believed to be the customer's refuse, the read models are asked which ones they are, and others are asked too.
    """
    try:
        return await _first_that_takes(request, pools.those, command_for)
    except Problem as refusal:
        if not pools.believed_of or refusal.code == "outcome_unknown":
            raise
        newest = await _newest_pools_of(request, identity, pools.believed_of)
        newest = newest[:1] if pools.first_only else newest
        if newest == pools.those:
            raise
    return await _first_that_takes(request, newest, command_for)


async def _first_that_takes(
    request: Request, pools: list[tuple[str, bool]], command_for: Callable[[str], PoolCommand]
) -> tuple[str, Outcome]:
    refusals: list[Problem] = []
    for pool_id, may_overflow in pools:
        try:
            outcome = await decided(request, command_for(pool_id))
        except Problem as problem:
            if problem.code == "outcome_unknown":
                problem.facts["pool_id"] = pool_id
                raise
            refusal = problem
        else:
            if not outcome.refused_lines:
                return pool_id, outcome
            line = outcome.refused_lines[0]
            refusal = refused(line.code, remaining=line.remaining if line.remaining >= 0 else None)
        refusal.facts["pool_id"] = pool_id
        refusals.append(refusal)
        if not asks_the_next(refusal.code, may_overflow=may_overflow):
            break
    raise refusals[which_decides([refusal.code for refusal in refusals])]


async def many(
    request: Request, works: Iterable[Awaitable[tuple[dict[str, Any], Outcome]]], count: int, *, as_one: bool = False
) -> Response:
    """Let many be decided side by side, each begun when there is room; each has its own answer or problem.

    as_one: they are one body under one key. Raises Problem: idempotency_key_reused, when each of them says so.
    """
    windows, organization_id = services_of(request).windows, identity_of(request.scope).organization_id
    found: list[tuple[dict[str, Any], Outcome | None]] = []

    async def work() -> None:
        for place, each in numbered:
            found.append(({}, None))  # Whoever takes the next one writes behind it.
            async with windows.within(organization_id, LINES_OF_A_COMMAND):
                try:
                    found[place] = await each
                except EntitlementsError as error:
                    found[place] = problem_of(error).document(), None

    numbered = enumerate(works)
    await asyncio.gather(*(work() for _ in range(min(count, _AT_ONCE))))
    if as_one and {document.get("code") for document, _ in found} == {"idempotency_key_reused"}:
        raise refused("idempotency_key_reused")
    outcomes = [outcome for _, outcome in found if outcome is not None]
    headers = headers_of(*outcomes) if outcomes else {}
    return json_answer({"results": [document for document, _ in found]}, headers)
