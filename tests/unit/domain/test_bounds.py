"""What one organization may have is bounded where it is decided: what is more is refused, and what is there stays as it is."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal

import pytest
from specification import Happens, given, happens, pool_with

from entitlements.domain import idempotency, organizing, usage
from entitlements.domain.errors import (
    TooManyAssignments,
    TooManyCustomers,
    TooManyIdempotencyKeys,
    TooManyRoles,
    TooManyUsageIds,
)
from entitlements.domain.organizations import Organization
from entitlements.domain.pools import IDEMPOTENCY_WINDOW_FOR
from entitlements.examples import assign_workspace, line, open_pool, quota, record_usage, record_usage_batch
from entitlements.examples_of_governance import (
    assign_unit,
    define_unit,
    place_workspace,
    set_member_role,
    unassign_unit,
)
from entitlements.ledger.states import dump_state, load_state

OVER = IDEMPOTENCY_WINDOW_FOR + timedelta(seconds=1)
TREE = [define_unit("acme"), define_unit("sales", "acme"), define_unit("labs", "acme")]


@pytest.mark.parametrize(
    ("error", "bound"),
    [
        (TooManyRoles, organizing.ROLES_MAX),
        (TooManyCustomers, organizing.PLACED_MAX),
        (TooManyAssignments, organizing.ASSIGNMENTS_MAX),
        (TooManyAssignments, organizing.CHANGES_MAX),
        (TooManyIdempotencyKeys, idempotency.KEYS_MAX),
        (TooManyUsageIds, usage.USAGE_IDS_MAX),
    ],
)
def test_a_refusal_names_its_bound(error: type[Exception], bound: int) -> None:
    assert f"{bound:,}" in str(error())


def test_roles_of_an_organization(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(organizing, "ROLES_MAX", 2)
    roles = [set_member_role("ann", unit_id="acme"), set_member_role("ann", workspace_id="w-1")]
    given(TREE, roles).when(set_member_role("bob", unit_id="labs")).refused(TooManyRoles)
    given(TREE, roles).when(set_member_role("ann", unit_id="acme", role="viewer")).then(happens("MemberRoleSet"))
    gone = set_member_role("ann", workspace_id="w-1", role="")
    given(TREE, roles, gone).when(set_member_role("bob", unit_id="labs")).then(happens("MemberRoleSet"))


def test_customers_in_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(organizing, "PLACED_MAX", 1)
    placed = place_workspace("w-1", "sales")
    given(TREE, placed).when(place_workspace("w-2", "sales")).refused(TooManyCustomers)
    given(TREE, placed).when(place_workspace("w-1", "labs")).then(happens("WorkspacePlaced"))
    given(TREE, placed, place_workspace("w-1", "")).when(place_workspace("w-2", "labs")).then(
        happens("WorkspacePlaced")
    )


def test_pools_assigned_to_units(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(organizing, "ASSIGNMENTS_MAX", 1)
    assigned = assign_unit("sales", "pool-a")
    given(TREE, assigned).when(assign_unit("labs", "pool-a")).refused(TooManyAssignments)
    given(TREE, assigned).when(assign_unit("sales", "pool-a", role="secondary")).then(happens("UnitAssigned"))
    given(TREE, assigned, unassign_unit("sales", "pool-a")).when(assign_unit("labs", "pool-b")).then(
        happens("UnitAssigned")
    )


def test_assignments_that_one_command_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(organizing, "CHANGES_MAX", 3)
    past = [place_workspace("w-1", "sales"), place_workspace("w-2", "sales")]
    pools = [assign_unit("labs", "pool-a"), assign_unit("labs", "pool-b")]
    given(TREE, past, pools).when(define_unit("sales", "labs")).refused(TooManyAssignments)
    given(TREE, past, pools[:1]).when(define_unit("sales", "labs")).then(happens("UnitDefined"))
    given(TREE, past, pools).when(define_unit("sales", "acme", name="Sales")).then(
        Happens("UnitDefined", {"assignments": []})
    )


def test_what_is_counted_follows_from_a_state() -> None:
    past = [
        set_member_role("ann", unit_id="acme"),
        set_member_role("ann", workspace_id="w-1"),
        assign_unit("acme", "p"),
    ]
    held = given(TREE, past).aggregate
    assert isinstance(held, Organization)
    loaded = load_state("organization", dump_state(held))
    assert isinstance(loaded, Organization)
    assert (loaded.roles_count, loaded.assignments_count) == (held.roles_count, held.assignments_count) == (2, 1)


def test_idempotency_keys_of_an_aggregate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "KEYS_MAX", 1)
    first = assign_workspace("berlin", idempotency_key="k-1")
    given(open_pool(), first).when(assign_workspace("rome", idempotency_key="k-2")).refused(TooManyIdempotencyKeys)
    given(open_pool(), first).when(first).then_repeated()
    given(open_pool(), first).when(assign_workspace("rome")).then(happens("WorkspaceAssigned"))
    given(open_pool(), first, OVER).when(assign_workspace("rome", idempotency_key="k-2")).then(
        happens("WorkspaceAssigned"), happens("AnswerRemembered")
    )


def test_an_idempotency_key_of_a_batch_that_there_is_no_room_for_is_refused_line_by_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idempotency, "KEYS_MAX", 1)
    past: list[Any] = [pool_with(quota("api_calls", 100)), assign_workspace("berlin", idempotency_key="k-1")]
    given(*past).when(record_usage_batch(line(), line(), idempotency_key="k-2")).lines(
        (0, TooManyIdempotencyKeys, -1), (1, TooManyIdempotencyKeys, -1)
    )


@pytest.mark.parametrize("mode", ["strict", "report"])
def test_usage_ids_of_a_pool(monkeypatch: pytest.MonkeyPatch, mode: Literal["strict", "report"]) -> None:
    monkeypatch.setattr(usage, "USAGE_IDS_MAX", 2)
    lines = [line("api_calls", 1, mode, usage_id=f"u-{n}") for n in range(4)]
    past: list[Any] = [pool_with(quota("api_calls", 100)), record_usage(*lines[:2])]
    given(*past).when(record_usage(*lines[1:])).lines(
        (1, TooManyUsageIds, -1), (2, TooManyUsageIds, -1), accepted=1, repeated=1
    )
    given(*past).when(record_usage(line("api_calls", 1, mode))).lines(accepted=1)
    given(*past, OVER).when(record_usage(lines[2])).lines(accepted=1)
