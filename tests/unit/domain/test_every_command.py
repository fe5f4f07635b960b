"""Of every command three cases: it is done, its repeat is harmless, and it is refused."""

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from specification import Step, given, pool_with, used

from entitlements.domain import commands as asks
from entitlements.domain.commands import Command
from entitlements.domain.errors import (
    CommandRefused,
    IdempotencyKeyReused,
    InvalidCommand,
    InvalidRules,
    KeyIsNotHeld,
    LadderIsOccupied,
    PoolAlreadyExists,
    PoolIsClosed,
    PoolIsSuspended,
    ProvisionIsOver,
    QuotaIsExceeded,
    UnknownGrant,
    UnknownPool,
    UnknownProvision,
    WorkspaceIsNotAssigned,
)
from entitlements.examples import (
    NOON,
    advance_clock,
    assign_workspace,
    close_pool,
    define_entitlement_set,
    define_resource_key,
    end_provision,
    feature,
    issue_grant,
    limit,
    line,
    one_of_each,
    open_pool,
    provision_pool,
    quota,
    record_usage,
    record_usage_batch,
    release_usage,
    resume_pool,
    resume_provision,
    revoke_grant,
    suspend_pool,
    suspend_provision,
    unassign_workspace,
)
from entitlements.ledger.records import COMMANDS


class Cases(NamedTuple):
    """Where the command is done (and then repeated), and where it is refused."""

    past: Sequence[Step]
    command: Command
    happens: str
    refused_past: Sequence[Step]
    refused_command: Command
    reason: type[CommandRefused]


POOL: list[Step] = [open_pool()]
PROVISIONED: list[Step] = [*pool_with(quota(), limit())]
LINE = line(usage_id="u-1")
KEYED = release_usage(idempotency_key="k")

EVERY: dict[type[Command], Cases] = {
    asks.DefineResourceKey: Cases(
        [], define_resource_key(), "ResourceKeyDefined", [], define_resource_key(scale=99), InvalidCommand
    ),
    asks.DefineEntitlementSet: Cases(
        [], define_entitlement_set(), "EntitlementSetDefined", [], define_entitlement_set(rules=[]), InvalidRules
    ),
    asks.OpenPool: Cases([], open_pool(), "PoolOpened", POOL, open_pool(name="other"), PoolAlreadyExists),
    asks.SuspendPool: Cases(POOL, suspend_pool(), "PoolSuspended", [POOL, close_pool()], suspend_pool(), PoolIsClosed),
    asks.ResumePool: Cases(
        [POOL, suspend_pool()], resume_pool(), "PoolResumed", [POOL, close_pool()], resume_pool(), PoolIsClosed
    ),
    asks.ClosePool: Cases(POOL, close_pool(), "PoolClosed", [], close_pool(), UnknownPool),
    asks.ProvisionPool: Cases(
        POOL,
        provision_pool("p", ladder="plans"),
        "ProvisionStarted",
        [POOL, provision_pool("p", ladder="plans")],
        provision_pool("q", ladder="plans"),
        LadderIsOccupied,
    ),
    asks.SuspendProvision: Cases(
        PROVISIONED, suspend_provision(), "ProvisionSuspended", POOL, suspend_provision(), UnknownProvision
    ),
    asks.ResumeProvision: Cases(
        [PROVISIONED, suspend_provision()],
        resume_provision(),
        "ProvisionResumed",
        [PROVISIONED, end_provision()],
        resume_provision(),
        ProvisionIsOver,
    ),
    asks.EndProvision: Cases(PROVISIONED, end_provision(), "ProvisionEnded", POOL, end_provision(), UnknownProvision),
    asks.IssueGrant: Cases(POOL, issue_grant(), "GrantIssued", POOL, issue_grant(actor=" "), InvalidCommand),
    asks.RevokeGrant: Cases([POOL, issue_grant()], revoke_grant(), "GrantRevoked", POOL, revoke_grant(), UnknownGrant),
    asks.AssignWorkspace: Cases(
        POOL, assign_workspace(), "WorkspaceAssigned", [POOL, close_pool()], assign_workspace(), PoolIsClosed
    ),
    asks.UnassignWorkspace: Cases(
        [POOL, assign_workspace()], unassign_workspace(), "WorkspaceUnassigned", [], unassign_workspace(), UnknownPool
    ),
    asks.RecordUsage: Cases(PROVISIONED, record_usage(LINE), "UsageRecorded", [], record_usage(LINE), UnknownPool),
    asks.RecordUsageBatch: Cases(
        PROVISIONED,
        record_usage_batch(LINE, source="gateway", sequence=1),
        "UsageRecorded",
        PROVISIONED,
        record_usage_batch(LINE, source="gateway", sequence=-1),
        InvalidCommand,
    ),
    asks.ReleaseUsage: Cases(
        [PROVISIONED, used("seats", 3)],
        KEYED,
        "UsageReleased",
        [PROVISIONED, used("api_calls", 3)],
        release_usage("api_calls"),
        KeyIsNotHeld,
    ),
    asks.AdvanceClock: Cases(
        pool_with(feature(), starts_at=NOON), advance_clock(idempotency_key="k"), "AnswerRemembered", [],
        advance_clock(), UnknownPool,
    ),
}  # fmt: skip


@pytest.mark.parametrize("cases", EVERY.values(), ids=[kind.__name__ for kind in EVERY])
def test_it_is_done(cases: Cases) -> None:
    story = given(*cases.past).when(cases.command)
    assert cases.happens in [type(event).__name__ for event in story.happened], story.refusal


@pytest.mark.parametrize("cases", EVERY.values(), ids=[kind.__name__ for kind in EVERY])
def test_its_repeat_is_harmless(cases: Cases) -> None:
    given(*cases.past, cases.command).when(cases.command).then_nothing()


@pytest.mark.parametrize("cases", EVERY.values(), ids=[kind.__name__ for kind in EVERY])
def test_it_is_refused_without_a_trace(cases: Cases) -> None:
    given(*cases.refused_past).when(cases.refused_command).refused(cases.reason)


def test_no_command_is_left_out() -> None:
    assert set(EVERY) == set(COMMANDS.values()) == {type(command) for command in one_of_each()}


def test_lines_of_usage_are_refused_as_events() -> None:
    """Usage that is refused is a fact: somebody wanted more than there was."""
    given(*PROVISIONED).when(used("api_calls", 101)).lines((0, QuotaIsExceeded, 100))
    given(*PROVISIONED, suspend_pool()).when(used("api_calls", 1)).lines((0, PoolIsSuspended, -1))
    given(*PROVISIONED).when(used("api_calls", 1, workspace_id="x")).lines((0, WorkspaceIsNotAssigned, -1))
    given(*PROVISIONED, record_usage(LINE)).when(record_usage(line(quantity=2, usage_id="u-1"))).lines(
        (0, IdempotencyKeyReused, -1)
    )
