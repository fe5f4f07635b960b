"""What was asked, worked out from what happened: events of one pool to the commands that would have caused them.

What time alone brought (starts, resets, expiries) and what follows from something else (stacking, warnings) is asked by nobody: it
happens again by itself when the clock is moved there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any, Final

from entitlements.domain import commands as asks
from entitlements.domain import metering_events, plan_events, pool_events, usage_events
from entitlements.domain import plan_commands as terms
from entitlements.domain import usage_commands as holds
from entitlements.domain.aggregate import Event, to_ms
from entitlements.domain.commands import PoolCommand
from entitlements.domain.pool_events import ProvisionScheduled
from entitlements.domain.values import RecordedLine, RefusedLine, UsageLine

#: A command and the log timestamp to decide it at, in epoch milliseconds.
Asked = tuple[int, PoolCommand]


def asked_by(event: Event) -> Iterator[Asked]:
    """The commands behind one event of a pool; the clock alone, if nobody asked for it."""
    at_ms, made = to_ms(event.timestamp), _ASKED.get(type(event))
    commands = made(event) if made is not None else []
    for command in commands:
        yield at_ms, command
    if not commands:
        yield at_ms, asks.AdvanceClock(command_id="replayed", pool_id=event.originator_id)


def plan_changed_by(event: ProvisionScheduled, reason: str) -> Asked:
    """The change of plan behind a provision that has replaced another at once."""
    command = _as(terms.ChangePlan, when="now", reason=reason)(event)[0]
    return to_ms(event.timestamp), command


def asked_by_usage(recorded: list[RecordedLine], refused: list[RefusedLine], pool_id: str) -> Iterator[Asked]:
    """The lines behind one or two events of usage, each at its instant; what was committed is asked by its reservation."""
    lines = [(line["recorded_at"], _line(line)) for line in recorded if not _reservation_of(line)]
    lines += [(line["recorded_at"], _refused_line(line)) for line in refused if line["code"] in _BY_WHAT_IS_HELD]
    for at_ms, line in sorted(lines, key=lambda pair: pair[0]):
        yield at_ms, asks.RecordUsage(command_id="replayed", pool_id=pool_id, lines=[line])


#: Refusals that another set might not have met with. Whatever else was refused was so whatever the limits were.
_BY_WHAT_IS_HELD: Final = frozenset({"quota_exceeded", "not_entitled", "unknown_key", "provision_suspended"})


def _reservation_of(line: RecordedLine) -> str:
    return line["details"]["reservation_id"] if line["details"] is not None else ""


def _line(line: RecordedLine) -> UsageLine:
    return {
        "resource_key": line["resource_key"],
        "quantity": line["quantity"],
        "mode": line["mode"],
        "occurred_at": line["occurred_at"],
        "workspace_id": line["workspace_id"],
        "usage_id": line["usage_id"],
        "subject_id": line["details"]["subject_id"] if line["details"] is not None else "",
    }


def _refused_line(line: RefusedLine) -> UsageLine:
    """Only strict usage is refused for what is left; who asked within the workspace is not told."""
    return {
        "resource_key": line["resource_key"],
        "quantity": line["quantity"],
        "mode": "strict",
        "occurred_at": line["occurred_at"],
        "workspace_id": line["workspace_id"],
        "usage_id": line["usage_id"],
        "subject_id": "",
    }


def _as(kind: type[PoolCommand], **more: Any) -> Callable[[Any], list[PoolCommand]]:
    """A command whose fields are those of the event of the same names."""
    names = {field.name for field in fields(kind)} - {
        "command_id",
        "pool_id",
        "idempotency_key",
        "caller",
        "effective_at",
        "caller_organization_id",
    }

    def made(event: Any) -> list[PoolCommand]:
        facts = {name: getattr(event, name) for name in names if hasattr(event, name)} | more
        return [kind(command_id="replayed", pool_id=event.originator_id, **facts)]

    return made


def _opened(event: pool_events.PoolOpened) -> list[PoolCommand]:
    """In a replay every command has its own instant: there is no backfill."""
    (command,) = _as(asks.OpenPool, backfill_from=None)(event)
    return [command]


def _ended(event: pool_events.ProvisionEnded) -> list[PoolCommand]:
    if event.reason in ("expired", "pool_closed"):
        return []
    return _as(asks.EndProvision, when="now", reason="")(event)


def _reset(event: metering_events.QuotaReset) -> list[PoolCommand]:
    return _as(terms.ResetUsage, keep_anchor=event.anchor_at is None)(event) if event.manual else []


def _held(event: usage_events.HoldingChanged) -> list[PoolCommand]:
    if event.holder_id:
        return _as(holds.SetAllocation)(event)
    if event.change > 0:
        return _as(holds.AllocateLimit, quantity=event.change)(event)
    return _as(asks.ReleaseUsage, quantity=-event.change)(event)


def _committed(event: usage_events.ReservationCommitted) -> list[PoolCommand]:
    """As reported: it was accepted then, and what is reserved now is what the limits let it be."""
    return _as(holds.CommitReservation, mode="report", keep_rest=event.kept > 0)(event)


def _corrected(event: usage_events.UsageCorrected) -> list[PoolCommand]:
    """To correct a remembered line down is the same as to reverse so much of it."""
    return _as(holds.CorrectUsage)(event)


_ASKED: Final[dict[type[Event], Callable[[Any], list[PoolCommand]]]] = {
    pool_events.PoolOpened: _opened,
    pool_events.PoolSuspended: _as(asks.SuspendPool),
    pool_events.PoolResumed: _as(asks.ResumePool),
    pool_events.PoolClosed: _as(asks.ClosePool),
    # A grant's provision follows its GrantIssued, with all that counts.
    pool_events.ProvisionScheduled: _as(asks.ProvisionPool),
    pool_events.ProvisionSuspended: _as(asks.SuspendProvision),
    pool_events.ProvisionResumed: _as(asks.ResumeProvision),
    pool_events.ProvisionEndScheduled: _as(asks.EndProvision, when="at"),
    pool_events.ProvisionEndWithdrawn: _as(asks.UncancelProvision),
    pool_events.ProvisionEnded: _ended,
    pool_events.WorkspaceAssigned: _as(asks.AssignWorkspace),
    pool_events.WorkspaceUnassigned: _as(asks.UnassignWorkspace),
    metering_events.UsageReleased: _as(asks.ReleaseUsage),
    metering_events.QuotaReset: _reset,
    plan_events.ProvisionRevised: _as(terms.ReviseProvision),
    plan_events.ProvisionQuantityChanged: _as(terms.ChangeQuantity),
    plan_events.DefaultsChanged: _as(terms.ChangeDefaults),
    plan_events.CalendarChanged: _as(terms.ChangeCalendar),
    plan_events.OverrideSet: _as(terms.SetOverride),
    plan_events.OverrideCleared: _as(terms.ClearOverride),
    plan_events.OnDemandConfigured: _as(terms.ConfigureOnDemand),
    plan_events.MemberCapped: _as(terms.CapMember),
    usage_events.UsageReserved: _as(holds.ReserveUsage),
    usage_events.ReservationExtended: _as(holds.ExtendReservation),
    usage_events.ReservationCommitted: _committed,
    usage_events.ReservationReleased: _as(holds.ReleaseReservation),
    usage_events.HoldingChanged: _held,
    usage_events.UsageCorrected: _corrected,
}
