"""One door to every decision: (aggregate, command, log timestamp) to an answer and pending events. Pure.

A refusal raises CommandRefused and leaves nothing behind but what was due anyway.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from entitlements.domain import (
    admitting,
    assignments,
    calendars,
    campaigns,
    cancellations,
    catalogue,
    commands,
    corrections,
    forgiving,
    governance_commands,
    grants,
    holdings,
    ladders,
    lifecycle,
    members,
    ondemand,
    organizing,
    overrides,
    plan_commands,
    plans,
    provisions,
    reservations,
    usage,
    usage_commands,
)
from entitlements.domain.aggregate import Aggregate, from_ms, to_ms
from entitlements.domain.checks import check_fields
from entitlements.domain.commands import Command, OpenPool, PoolCommand, RecordUsage, RecordUsageBatch
from entitlements.domain.due import let_due_happen
from entitlements.domain.errors import (
    EffectiveAtIsNotAllowed,
    IdempotencyKeyReused,
    InvalidCommand,
    TooManyIdempotencyKeys,
    UnknownPool,
)
from entitlements.domain.idempotency import is_repeat, remember
from entitlements.domain.lines import UsageAnswer, lines_under_key, refuse
from entitlements.domain.pool_events import BackfillEnded
from entitlements.domain.pools import ResourcePool
from entitlements.domain.values import UsageLine


@dataclass(slots=True)
class Answer:
    """What the caller hears when the command is not refused."""

    aggregate: Aggregate
    repeated: bool = False
    usage: UsageAnswer | None = None


PoolRule = Callable[[ResourcePool, Any, datetime], None]

POOL_RULES: Final[dict[type[PoolCommand], PoolRule]] = {
    commands.SuspendPool: lifecycle.suspend_pool,
    commands.ResumePool: lifecycle.resume_pool,
    commands.ClosePool: lifecycle.close_pool,
    commands.ProvisionPool: provisions.provision_pool,
    commands.SuspendProvision: provisions.suspend_provision,
    commands.ResumeProvision: provisions.resume_provision,
    commands.EndProvision: cancellations.end_provision,
    commands.UncancelProvision: cancellations.uncancel_provision,
    commands.IssueGrant: grants.issue_grant,
    commands.RevokeGrant: grants.revoke_grant,
    commands.AssignWorkspace: assignments.assign_workspace,
    commands.UnassignWorkspace: assignments.unassign_workspace,
    commands.ReleaseUsage: holdings.release_usage,
    plan_commands.CapMember: members.cap_member,
    plan_commands.ChangeCalendar: calendars.change_calendar,
    plan_commands.ChangeDefaults: plans.change_defaults,
    plan_commands.ChangePlan: plans.change_plan,
    plan_commands.ChangeQuantity: plans.change_quantity,
    plan_commands.ClearOverride: overrides.clear_override,
    plan_commands.ConfigureOnDemand: ondemand.configure_on_demand,
    plan_commands.ForgiveOverage: forgiving.forgive_overage,
    plan_commands.ResetUsage: calendars.reset_usage,
    plan_commands.ReviseProvision: plans.revise_provision,
    plan_commands.SetOverride: overrides.set_override,
    plan_commands.StartTrial: plans.start_trial,
    usage_commands.AllocateLimit: holdings.allocate_limit,
    usage_commands.CommitReservation: reservations.commit_reservation,
    usage_commands.CorrectUsage: corrections.correct_usage,
    usage_commands.ExtendReservation: reservations.extend_reservation,
    usage_commands.ReleaseReservation: reservations.release_reservation,
    usage_commands.ReserveUsage: reservations.reserve_usage,
    usage_commands.ReverseUsage: corrections.reverse_usage,
    usage_commands.SetAllocation: holdings.set_allocation,
    commands.AdvanceClock: lambda _pool, _command, _now: None,  # Whatever is due has happened when it is reached.
}


#: What is asked of other aggregates than pools; the first command brings them into being.
OTHER_RULES: Final[dict[type[Command], Callable[[Any, Any, datetime], Aggregate]]] = {
    commands.DefineEntitlementSet: catalogue.define_entitlement_set,
    commands.DefineLadder: ladders.define_ladder,
    commands.DefineResourceKey: catalogue.define_resource_key,
    governance_commands.DefineUnit: organizing.define_unit,
    governance_commands.RemoveUnit: organizing.remove_unit,
    governance_commands.PlaceWorkspace: organizing.place_workspace,
    governance_commands.AssignUnit: organizing.assign_unit,
    governance_commands.UnassignUnit: organizing.unassign_unit,
    governance_commands.SetMemberRole: organizing.set_member_role,
    governance_commands.DefineAccessPolicy: admitting.define_access_policy,
    governance_commands.RetireAccessPolicy: admitting.retire_access_policy,
    governance_commands.CreateApiKey: admitting.create_api_key,
    governance_commands.RevokeApiKey: admitting.revoke_api_key,
    governance_commands.DefineCampaign: campaigns.define_campaign,
    governance_commands.ChangeCampaignPools: campaigns.change_campaign_pools,
    governance_commands.ActivateCampaign: campaigns.activate_campaign,
    governance_commands.DeactivateCampaign: campaigns.deactivate_campaign,
}


def decide(aggregate: Aggregate | None, command: Command, logged_ms: int) -> Answer:
    """Decide any command but usage of many pools; `logged_ms` is its log timestamp in epoch milliseconds."""
    check_fields(command)
    if isinstance(command, PoolCommand):
        assert aggregate is None or isinstance(aggregate, ResourcePool)
        if aggregate is not None and not is_of(aggregate, command.caller_organization_id):
            raise UnknownPool(command.pool_id)
        return _decide_pool(aggregate, command, logged_ms)
    now = from_ms(logged_ms if aggregate is None else max(logged_ms, aggregate.clock_ms))
    if aggregate is not None:
        aggregate.command_id = command.command_id
        if is_repeat(aggregate, command, to_ms(now)):
            return Answer(aggregate, repeated=True)
    if command.effective_at is not None:
        raise EffectiveAtIsNotAllowed
    before = 0 if aggregate is None else aggregate.version
    decided = OTHER_RULES[type(command)](aggregate, command, now)
    repeated = decided.version == before
    decided.command_id = command.command_id
    remember(decided, command, now)
    return Answer(decided, repeated=repeated)


def is_of(pool: ResourcePool, organization_id: str | None) -> bool:
    """Whether a pool may be known to who asks. Decided here and not before: only the aggregate itself is never behind."""
    return organization_id is None or organization_id == pool.organization_id


def _decide_pool(pool: ResourcePool | None, command: PoolCommand, logged_ms: int) -> Answer:
    if pool is None:
        if not isinstance(command, OpenPool):
            raise UnknownPool(command.pool_id)
        if command.caller_organization_id not in {None, command.organization_id}:
            raise InvalidCommand(f"{command.caller_organization_id} cannot open pools for {command.organization_id}")
        if command.effective_at is not None:
            raise EffectiveAtIsNotAllowed
        opened = lifecycle.open_pool(None, command, from_ms(logged_ms))
        opened.command_id = command.command_id
        remember(opened, command, from_ms(opened.clock_ms))
        return Answer(opened)
    effective_ms = None if command.effective_at is None else to_ms(command.effective_at)
    if isinstance(command, RecordUsage):
        answer = _record_under_key(pool, command, effective_ms, logged_ms)
        return Answer(pool, repeated=0 < len(command.lines) == answer.repeated, usage=answer)
    now_ms = advance(
        pool, command.command_id, command.actor, effective_ms, logged_ms, opens=isinstance(command, OpenPool)
    )
    now = from_ms(now_ms)
    if is_repeat(pool, command, now_ms):
        return Answer(pool, repeated=True)
    if effective_ms is not None and (not pool.is_backfilling or isinstance(command, OpenPool)):
        raise EffectiveAtIsNotAllowed
    if isinstance(command, OpenPool):
        lifecycle.open_pool(pool, command, now)
    else:
        POOL_RULES[type(command)](pool, command, now)
    remember(pool, command, now)
    return Answer(pool)


def _record_under_key(
    pool: ResourcePool, command: RecordUsage, effective_ms: int | None, logged_ms: int
) -> UsageAnswer:
    """Decide usage that may have an idempotency key. Raises IdempotencyKeyReused.

    Each line is remembered under its id; under the key of several, or of a request they are part of, what it is they are of.
    """
    key = command.idempotency_key
    if key is None and not command.batch_key:
        return record_usage(pool, command.command_id, command.actor, effective_ms, command.lines, logged_ms)
    now_ms = advance(pool, command.command_id, command.actor, effective_ms, logged_ms)
    is_known = is_repeat(pool, command, now_ms)
    lines, answer = lines_under_key(key, command.lines, 0), UsageAnswer()
    answer.usage_ids = [line["usage_id"] for line in lines]
    _record(pool, lines, effective_ms, now_ms, answer)
    if answer.accepted > answer.repeated and not is_known:
        remember(pool, command, from_ms(now_ms))
    return answer


def record_usage(
    pool: ResourcePool,
    command_id: str,
    actor: str,
    effective_ms: int | None,
    lines: list[UsageLine],
    logged_ms: int,
    answer: UsageAnswer | None = None,
) -> UsageAnswer:
    """Decide the lines of one command of usage; with the answer to those before them, where they are not the first."""
    if answer is None:
        answer = UsageAnswer()
    _record(pool, lines, effective_ms, advance(pool, command_id, actor, effective_ms, logged_ms), answer)
    return answer


def _record(
    pool: ResourcePool, lines: list[UsageLine], effective_ms: int | None, now_ms: int, answer: UsageAnswer
) -> None:
    """Decide lines, after those that are answered; outside of a backfill none has an effective instant but a repeat."""
    first = answer.accepted + len(answer.refused)
    if effective_ms is None or pool.is_backfilling:
        usage.record_lines(pool, lines, now_ms, answer, first)
    else:
        usage.refuse_lines(pool, lines, now_ms, answer, first, EffectiveAtIsNotAllowed)


def advance(
    pool: ResourcePool, command_id: str, actor: str, effective_ms: int | None, logged_ms: int, *, opens: bool = False
) -> int:
    """Move the pool's clock to a command: everything due happens first. Returns the instant to decide at (docs/architecture.md 3.2).

    `opens`: the command is a repeated OpenPool, which has no effective instant and does not end a backfill. The ticker's
    AdvanceClock has none either, and is never sent to a pool in backfill.
    """
    pool.begin(command_id, actor)
    now_ms = logged_ms
    if pool.is_backfilling:
        if effective_ms is not None:
            now_ms = min(effective_ms, logged_ms)
        elif opens:
            now_ms = pool.clock_ms  # History goes on where it stands.
        else:
            now_ms = max(now_ms, pool.clock_ms)
            let_due_happen(pool, now_ms)
            pool.happen(BackfillEnded, from_ms(now_ms))
    now_ms = max(now_ms, pool.clock_ms)
    if pool.due_ms <= now_ms:
        let_due_happen(pool, now_ms)
    return now_ms


def record_group(
    pool: ResourcePool,
    command: RecordUsageBatch,
    lines: list[UsageLine],
    logged_ms: int,
    answer: UsageAnswer,
    first: int,
) -> None:
    """Decide the lines that a batch of many pools has for this one; a numbered batch counts once, for ever.

    Lines with an effective instant are refused here where this pool is not in backfill, and its number stays free for them.
    """
    effective_ms = None if command.effective_at is None else to_ms(command.effective_at)
    now_ms = advance(pool, command.command_id, command.actor, effective_ms, logged_ms)
    source = command.source
    if source and command.sequence <= pool.sources.get(source, -1):
        answer.repeated += len(lines)
        answer.accepted += len(lines)
        return
    if effective_ms is not None and not pool.is_backfilling:
        keyed = lines_under_key(command.idempotency_key, lines, first)
        usage.refuse_lines(pool, keyed, now_ms, answer, first, EffectiveAtIsNotAllowed)
        return
    if source:
        pool.sources[source] = command.sequence
    _record_lines_of_group(pool, command, lines, now_ms, answer, first)
    if source:
        # With whichever event is to come; where a threshold has just sealed both, with one of no lines.
        sources = (
            pool.refused_sources if pool.refused and not (pool.recorded or pool.written) else pool.recorded_sources
        )
        sources[source] = command.sequence


def _record_lines_of_group(
    pool: ResourcePool,
    command: RecordUsageBatch,
    lines: list[UsageLine],
    now_ms: int,
    answer: UsageAnswer,
    first: int,
) -> None:
    if command.idempotency_key is None:
        usage.record_lines(pool, lines, now_ms, answer, first)
        return
    keyed, new_before = lines_under_key(command.idempotency_key, lines, first), answer.accepted - answer.repeated
    answer.usage_ids += [""] * (first - len(answer.usage_ids))  # Of pools that nobody knows.
    answer.usage_ids += [line["usage_id"] for line in keyed]
    try:
        is_known = is_repeat(pool, command, now_ms)
    except (IdempotencyKeyReused, TooManyIdempotencyKeys) as refusal:
        for index, line in enumerate(keyed, first):
            refuse(pool, line, now_ms, answer, index, type(refusal))
        return
    usage.record_lines(pool, keyed, now_ms, answer, first)
    if answer.accepted - answer.repeated > new_before and not is_known:
        remember(pool, command, from_ms(now_ms))
