"""One door to every decision: (aggregate, command, log timestamp) to an answer and pending events. Pure.

A refusal raises CommandRefused and leaves nothing behind but what was due anyway.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, fields
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
from entitlements.domain.commands import Command, OpenPool, PoolCommand, RecordUsage
from entitlements.domain.due import let_due_happen
from entitlements.domain.errors import EffectiveAtIsNotAllowed, IdempotencyKeyReused, InvalidCommand, UnknownPool
from entitlements.domain.fields import check_fields
from entitlements.domain.lines import UsageAnswer, lines_under_key
from entitlements.domain.pool_events import AnswerRemembered, BackfillEnded
from entitlements.domain.pools import IDEMPOTENCY_WINDOW_MS, ResourcePool
from entitlements.domain.remembering import REMEMBERED_BY
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
        if aggregate is not None and not is_of(aggregate, command.tenant):
            raise UnknownPool(command.pool_id)
        return _decide_pool(aggregate, command, logged_ms)
    now = from_ms(logged_ms if aggregate is None else max(logged_ms, aggregate.clock_ms))
    if aggregate is not None:
        aggregate.command_id = command.command_id
        if _is_repeat(aggregate, command, to_ms(now)):
            return Answer(aggregate, repeated=True)
    if command.effective_at is not None:
        raise EffectiveAtIsNotAllowed
    before = 0 if aggregate is None else aggregate.version
    decided = OTHER_RULES[type(command)](aggregate, command, now)
    repeated = decided.version == before
    decided.command_id = command.command_id
    _remember(decided, command, now)
    return Answer(decided, repeated=repeated)


def is_of(pool: ResourcePool, tenant: str | None) -> bool:
    """Whether a pool may be known to who asks. Decided here and not before: only the aggregate itself is never behind."""
    return tenant is None or tenant == pool.organization_id


def _decide_pool(pool: ResourcePool | None, command: PoolCommand, logged_ms: int) -> Answer:
    if pool is None:
        if not isinstance(command, OpenPool):
            raise UnknownPool(command.pool_id)
        if command.tenant not in {None, command.organization_id}:
            raise InvalidCommand(f"{command.tenant} opens no pools for {command.organization_id}")
        if command.effective_at is not None:
            raise EffectiveAtIsNotAllowed
        opened = lifecycle.open_pool(None, command, from_ms(logged_ms))
        opened.command_id = command.command_id
        _remember(opened, command, from_ms(opened.clock_ms))
        return Answer(opened)
    effective_ms = None if command.effective_at is None else to_ms(command.effective_at)
    if isinstance(command, RecordUsage):
        lines = lines_under_key(command.idempotency_key, command.lines, 0)
        answer = record_usage(pool, command.command_id, effective_ms, lines, logged_ms)
        return Answer(pool, repeated=0 < len(command.lines) == answer.repeated, usage=answer)
    now_ms = advance(pool, command.command_id, effective_ms, logged_ms, opens=isinstance(command, OpenPool))
    now = from_ms(now_ms)
    if _is_repeat(pool, command, now_ms):
        return Answer(pool, repeated=True)
    if effective_ms is not None and (not pool.is_backfilling or isinstance(command, OpenPool)):
        raise EffectiveAtIsNotAllowed
    if isinstance(command, OpenPool):
        lifecycle.open_pool(pool, command, now)
    else:
        POOL_RULES[type(command)](pool, command, now)
    _remember(pool, command, now)
    return Answer(pool)


def record_usage(
    pool: ResourcePool, command_id: str, effective_ms: int | None, lines: list[UsageLine], logged_ms: int
) -> UsageAnswer:
    """Decide the lines of one command of usage; outside of a backfill none has an effective instant but a repeat."""
    answer = UsageAnswer()
    now_ms = advance(pool, command_id, effective_ms, logged_ms)
    if effective_ms is None or pool.is_backfilling:
        usage.record_lines(pool, lines, now_ms, answer, 0)
    else:
        usage.refuse_lines(pool, lines, now_ms, answer, 0, EffectiveAtIsNotAllowed)
    return answer


def advance(
    pool: ResourcePool, command_id: str, effective_ms: int | None, logged_ms: int, *, opens: bool = False
) -> int:
    """Move the pool's clock to a command: everything due happens first. Returns the instant to decide at (DESIGN 3.2).

    `opens`: the command is a repeated OpenPool, which has no effective instant and does not end a backfill. The ticker's
    AdvanceClock has none either, and is never sent to a pool in backfill.
    """
    pool.command_id = command_id
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
    command: commands.RecordUsageBatch,
    lines: list[UsageLine],
    logged_ms: int,
    answer: UsageAnswer,
    first: int,
) -> None:
    """Decide the lines that a batch of many pools has for this one; a numbered batch counts once, for ever.

    Lines with an effective instant are refused here where this pool is not in backfill, and its number stays free for them.
    """
    effective_ms = None if command.effective_at is None else to_ms(command.effective_at)
    now_ms = advance(pool, command.command_id, effective_ms, logged_ms)
    source = command.source
    if source and command.sequence <= pool.sources.get(source, -1):
        answer.repeated += len(lines)
        answer.accepted += len(lines)
        return
    lines = lines_under_key(command.idempotency_key, lines, first)
    if effective_ms is not None and not pool.is_backfilling:
        usage.refuse_lines(pool, lines, now_ms, answer, first, EffectiveAtIsNotAllowed)
        return
    if source:
        pool.sources[source] = command.sequence
    usage.record_lines(pool, lines, now_ms, answer, first)
    if source:
        # With whichever event is to come; where a threshold has just sealed both, with one of no lines.
        sources = pool.refused_sources if pool.refused and not pool.recorded else pool.recorded_sources
        sources[source] = command.sequence


def _is_repeat(aggregate: Aggregate, command: Command, now_ms: int) -> bool:
    key = command.idempotency_key
    remembered = aggregate.answers.get(key) if key is not None else None
    if remembered is None or remembered.at_ms <= now_ms - IDEMPOTENCY_WINDOW_MS:
        return False
    if remembered.body_digest != digest_of(command):
        raise IdempotencyKeyReused(str(key))
    return True


def _remember(aggregate: Aggregate, command: Command, now: datetime) -> None:
    if command.idempotency_key is not None:
        digest = digest_of(command)
        kind = REMEMBERED_BY.get(aggregate.aggregate_type, AnswerRemembered)
        aggregate.happen(kind, now, idempotency_key=command.idempotency_key, body_digest=digest)


_ENVELOPE: Final = frozenset(field.name for field in fields(Command)) - {"actor"} | {"looked_up"}


def digest_of(command: Command) -> str:
    """SHA-256 over what is asked, without who waits for it and when, and what the sender looked up: the first 16 bytes in hex."""
    left_out = _ENVELOPE.union(getattr(command, "looked_up", ()))
    body = {field.name: getattr(command, field.name) for field in fields(command) if field.name not in left_out}
    text = json.dumps([type(command).__name__, body], sort_keys=True, default=_plain)
    return hashlib.sha256(text.encode()).digest()[:16].hex()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else vars(value)
