"""Of every command three cases: it is done, its repeat is harmless, and it is refused."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import NamedTuple

import pytest
from specification import Step, given, happens, pool_with, used

from entitlements.domain import commands as asks
from entitlements.domain import governance_commands as governs
from entitlements.domain import plan_commands as terms
from entitlements.domain import usage_commands as holds
from entitlements.domain.commands import Command
from entitlements.domain.errors import (
    ApiKeyAlreadyExists,
    CampaignIsActive,
    CommandRefused,
    CustomerIsNotAssigned,
    IdempotencyKeyReused,
    InvalidCommand,
    InvalidInstant,
    InvalidLadder,
    InvalidPeriod,
    InvalidPolicy,
    InvalidRules,
    InvalidTimeZone,
    KeyIsNotHeld,
    LadderIsEmpty,
    LadderIsOccupied,
    MemberCapIsReached,
    MoreThanIsOwed,
    MoreThanWasUsed,
    OverrideAlreadyExists,
    PoolAlreadyExists,
    PoolIsClosed,
    PoolIsSuspended,
    ProvisionIsOver,
    QuotaIsExceeded,
    ReservationAlreadyExists,
    TooManyReservations,
    UnitIsNotEmpty,
    UnknownApiKey,
    UnknownCampaign,
    UnknownGrant,
    UnknownKey,
    UnknownOverride,
    UnknownPolicy,
    UnknownPool,
    UnknownProvision,
    UnknownReservation,
    UnknownUnit,
    UnknownUsage,
)
from entitlements.examples import (
    NOON,
    WORKSPACE,
    advance_clock,
    assign_workspace,
    close_pool,
    define_entitlement_set,
    define_ladder,
    define_resource_key,
    end_provision,
    feature,
    issue_grant,
    limit,
    line,
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
    uncancel_provision,
)
from entitlements.examples_of_governance import (
    activate_campaign,
    assign_unit,
    change_campaign_pools,
    create_api_key,
    deactivate_campaign,
    define_access_policy,
    define_campaign,
    define_unit,
    place_workspace,
    remove_unit,
    retire_access_policy,
    revoke_api_key,
    set_member_role,
    unassign_unit,
)
from entitlements.examples_of_terms import (
    allocate_limit,
    cap_member,
    change_calendar,
    change_defaults,
    change_plan,
    change_quantity,
    clear_override,
    commit_reservation,
    configure_on_demand,
    correct_usage,
    extend_reservation,
    forgive_overage,
    one_of_each,
    release_reservation,
    reserve_usage,
    reset_usage,
    reverse_usage,
    revise_provision,
    set_allocation,
    set_override,
    start_trial,
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
ON_LADDER: list[Step] = [*pool_with(quota(), ladder="plans", rung=1)]
LINE = line(usage_id="u-1")
KEYED = release_usage(idempotency_key="k")

EVERY: dict[type[Command], Cases] = {
    asks.DefineResourceKey: Cases(
        [], define_resource_key(), "ResourceKeyDefined", [], define_resource_key(scale=99), InvalidCommand
    ),
    asks.DefineEntitlementSet: Cases(
        [], define_entitlement_set(), "EntitlementSetDefined", [], define_entitlement_set(rules=[]), InvalidRules
    ),
    asks.DefineLadder: Cases([], define_ladder(), "LadderDefined", [], define_ladder(rungs=[]), InvalidLadder),
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
    asks.UncancelProvision: Cases(
        [PROVISIONED, end_provision(ends_at=NOON + timedelta(days=1))], uncancel_provision(), "ProvisionEndWithdrawn",
        [PROVISIONED, end_provision()], uncancel_provision(), ProvisionIsOver,
    ),
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
    terms.ChangePlan: Cases(
        ON_LADDER, change_plan(), "ProvisionEnded", PROVISIONED, change_plan(), LadderIsEmpty
    ),
    terms.StartTrial: Cases(
        POOL, start_trial(), "ProvisionScheduled", POOL, start_trial(ends_at=NOON), InvalidInstant
    ),
    terms.ChangeQuantity: Cases(
        PROVISIONED, change_quantity(), "ProvisionQuantityChanged", POOL, change_quantity(), UnknownProvision
    ),
    terms.ReviseProvision: Cases(
        PROVISIONED,
        revise_provision(quota(amount=7)),
        "ProvisionRevised",
        [PROVISIONED, revise_provision(quota(amount=7))],
        revise_provision(quota(amount=8)),
        InvalidCommand,
    ),
    terms.ChangeDefaults: Cases(
        POOL, change_defaults(quota(amount=3)), "DefaultsChanged", POOL, change_defaults(quota(period="x")), InvalidPeriod
    ),
    terms.ChangeCalendar: Cases(
        PROVISIONED, change_calendar(), "CalendarChanged", POOL, change_calendar("Mars/Base"), InvalidTimeZone
    ),
    terms.ForgiveOverage: Cases(
        [PROVISIONED, used(quantity=102, mode="report")],
        forgive_overage(),
        "OverageForgiven",
        [PROVISIONED, used(quantity=102, mode="report")],
        forgive_overage(amount=3),
        MoreThanIsOwed,
    ),
    terms.ResetUsage: Cases(
        [PROVISIONED, used(quantity=3)], reset_usage(idempotency_key="k"), "QuotaReset", POOL, reset_usage(), UnknownKey
    ),
    terms.SetOverride: Cases(
        PROVISIONED, set_override(), "OverrideSet", [PROVISIONED, set_override()], set_override(7), OverrideAlreadyExists
    ),
    terms.ClearOverride: Cases(
        [PROVISIONED, set_override()],
        clear_override(idempotency_key="k"),
        "OverrideCleared",
        PROVISIONED,
        clear_override(),
        UnknownOverride,
    ),
    terms.ConfigureOnDemand: Cases(
        PROVISIONED,
        configure_on_demand(),
        "OnDemandConfigured",
        PROVISIONED,
        configure_on_demand(alert_at=[100, 50]),
        InvalidCommand,
    ),
    terms.CapMember: Cases(
        [PROVISIONED, assign_workspace()], cap_member(), "MemberCapped", PROVISIONED, cap_member(), CustomerIsNotAssigned
    ),
    holds.ReserveUsage: Cases(
        PROVISIONED,
        reserve_usage(),
        "UsageReserved",
        [PROVISIONED, reserve_usage()],
        reserve_usage(11),
        ReservationAlreadyExists,
    ),
    holds.ExtendReservation: Cases(
        [PROVISIONED, reserve_usage()],
        extend_reservation(),
        "ReservationExtended",
        PROVISIONED,
        extend_reservation(),
        UnknownReservation,
    ),
    holds.CommitReservation: Cases(
        [PROVISIONED, reserve_usage()],
        commit_reservation(idempotency_key="k"),
        "UsageRecorded",
        [PROVISIONED, reserve_usage()],
        commit_reservation(101),
        QuotaIsExceeded,
    ),
    holds.ReleaseReservation: Cases(
        [PROVISIONED, reserve_usage()],
        release_reservation(idempotency_key="k"),
        "ReservationReleased",
        PROVISIONED,
        release_reservation(),
        UnknownReservation,
    ),
    holds.AllocateLimit: Cases(
        PROVISIONED,
        allocate_limit(holder_id="alice"),
        "HoldingChanged",
        PROVISIONED,
        allocate_limit(6),
        QuotaIsExceeded,
    ),
    holds.SetAllocation: Cases(
        PROVISIONED, set_allocation(), "HoldingChanged", PROVISIONED, set_allocation(6), QuotaIsExceeded
    ),
    holds.ReverseUsage: Cases(
        [PROVISIONED, record_usage(LINE)],
        reverse_usage(idempotency_key="k"),
        "UsageCorrected",
        PROVISIONED,
        reverse_usage(),
        UnknownUsage,
    ),
    governs.DefineUnit: Cases([], define_unit(), "UnitDefined", [], define_unit(parent_unit_id="gone"), UnknownUnit),
    governs.RemoveUnit: Cases(
        define_unit(), remove_unit(), "UnitRemoved", [define_unit(), place_workspace()], remove_unit(), UnitIsNotEmpty
    ),
    governs.PlaceWorkspace: Cases(
        define_unit(), place_workspace(), "WorkspacePlaced", define_unit(), place_workspace(unit_id="gone"), UnknownUnit
    ),
    governs.AssignUnit: Cases(
        define_unit(), assign_unit(), "UnitAssigned", define_unit(), assign_unit(unit_id="gone"), UnknownUnit
    ),
    governs.UnassignUnit: Cases(
        [define_unit(), assign_unit()], unassign_unit(), "UnitUnassigned",
        define_unit(), unassign_unit(unit_id="gone"), UnknownUnit,
    ),
    governs.SetMemberRole: Cases(
        define_unit(), set_member_role(), "MemberRoleSet", define_unit(), set_member_role(role="king"), InvalidCommand
    ),
    governs.DefineAccessPolicy: Cases(
        [], define_access_policy(), "AccessPolicyDefined", [], define_access_policy(document="{}"), InvalidPolicy
    ),
    governs.RetireAccessPolicy: Cases(
        define_access_policy(), retire_access_policy(), "AccessPolicyRetired",
        define_access_policy(), retire_access_policy("gone"), UnknownPolicy,
    ),
    governs.CreateApiKey: Cases(
        [], create_api_key(), "ApiKeyCreated", create_api_key(), create_api_key(scopes=["use"]), ApiKeyAlreadyExists
    ),
    governs.RevokeApiKey: Cases(
        create_api_key(), revoke_api_key(), "ApiKeyRevoked", [], revoke_api_key(), UnknownApiKey
    ),
    governs.DefineCampaign: Cases(
        [], define_campaign(), "CampaignDefined",
        [define_campaign(), activate_campaign()], define_campaign(quantity=2), CampaignIsActive,
    ),
    governs.ChangeCampaignPools: Cases(
        define_campaign(), change_campaign_pools(), "CampaignPoolsChanged",
        define_campaign(), change_campaign_pools(["p"], remove=["p"]), InvalidCommand,
    ),
    governs.ActivateCampaign: Cases(
        define_campaign(), activate_campaign(), "CampaignActivated", [], activate_campaign(), UnknownCampaign
    ),
    governs.DeactivateCampaign: Cases(
        [define_campaign(), activate_campaign()], deactivate_campaign(), "CampaignDeactivated",
        [], deactivate_campaign(), UnknownCampaign,
    ),
    holds.CorrectUsage: Cases(
        PROVISIONED,
        correct_usage(idempotency_key="k"),
        "UsageCorrected",
        PROVISIONED,
        correct_usage(-1),
        MoreThanWasUsed,
    ),
}  # fmt: skip


@pytest.mark.parametrize("cases", EVERY.values(), ids=[kind.__name__ for kind in EVERY])
def test_it_is_done(cases: Cases) -> None:
    story = given(cases.past).when(cases.command)
    assert cases.happens in [type(event).__name__ for event in story.happened], story.refusal


@pytest.mark.parametrize("cases", EVERY.values(), ids=[kind.__name__ for kind in EVERY])
def test_its_repeat_is_harmless(cases: Cases) -> None:
    given(cases.past, cases.command).when(cases.command).then_nothing()


@pytest.mark.parametrize("cases", EVERY.values(), ids=[kind.__name__ for kind in EVERY])
def test_it_is_refused_without_a_trace(cases: Cases) -> None:
    given(cases.refused_past).when(cases.refused_command).refused(cases.reason)


def test_no_command_is_left_out() -> None:
    assert set(EVERY) == set(COMMANDS.values()) == {type(command) for command in one_of_each()}


def test_a_workspace_holds_so_many_reservations_and_no_more() -> None:
    held = [reserve_usage(1, reservation_id=f"r-{at}", resource_key="many") for at in range(1_000)]
    many = [*pool_with(quota("many", 10_000)), *held]
    given(*many).when(reserve_usage(1, resource_key="many")).refused(TooManyReservations)


def test_a_member_draws_up_to_its_cap() -> None:
    capped = [*PROVISIONED, assign_workspace(), cap_member(10)]
    given(*capped).when(used(quantity=11, workspace_id=WORKSPACE)).lines((0, MemberCapIsReached, 10))
    given(*capped, used(quantity=10, workspace_id=WORKSPACE)).when(used(quantity=1, workspace_id=WORKSPACE)).lines(
        (0, MemberCapIsReached, 0)
    )
    given(*capped).when(reserve_usage(11, workspace_id=WORKSPACE)).refused(MemberCapIsReached)
    given(*capped).when(used(quantity=11)).lines(accepted=1)


def test_lines_of_usage_are_refused_as_events() -> None:
    """Usage that is refused is a fact: somebody wanted more than there was."""
    given(*PROVISIONED).when(used("api_calls", 101)).lines((0, QuotaIsExceeded, 100))
    given(*PROVISIONED, suspend_pool()).when(used("api_calls", 1)).lines((0, PoolIsSuspended, -1))
    given(*PROVISIONED).when(used("api_calls", 1, workspace_id="x")).lines((0, CustomerIsNotAssigned, -1))
    given(*PROVISIONED, record_usage(LINE)).when(record_usage(line(quantity=2, usage_id="u-1"))).lines(
        (0, IdempotencyKeyReused, -1)
    )


@pytest.mark.parametrize("kind", [kind for kind in EVERY if issubclass(kind, asks.PoolCommand)])
def test_a_pool_of_another_organization_is_unknown(kind: type[Command]) -> None:
    given(EVERY[kind].past or POOL).when(replace(EVERY[kind].command, caller_organization_id="rival")).refused(
        UnknownPool
    )


def test_one_organization_does_not_open_a_pool_for_another() -> None:
    given().when(open_pool(caller_organization_id="rival")).refused(InvalidCommand)
    given().when(open_pool(caller_organization_id="acme")).then(happens("PoolOpened"))
