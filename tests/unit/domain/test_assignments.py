"""Assignments: which workspaces use a pool, and as what."""

import pytest
from specification import given, happens, pool_with, recorded, refused_line, used

from entitlements.domain.errors import CustomerIsNotAssigned, InvalidId, PoolIsClosed, UnknownPool
from entitlements.examples import (
    assign_workspace,
    close_pool,
    limit,
    open_pool,
    quota,
    release_usage,
    unassign_workspace,
)


def test_a_workspace_is_assigned() -> None:
    (
        given(open_pool())
        .when(assign_workspace("berlin", role="secondary"))
        .then(happens("WorkspaceAssigned", workspace_id="berlin", role="secondary", actor="alice"))
    )


def test_assigning_a_workspace_as_it_is_assigned_is_harmless() -> None:
    given(open_pool(), assign_workspace("berlin")).when(assign_workspace("berlin")).then_nothing()


def test_a_workspace_changes_its_role() -> None:
    (
        given(open_pool(), assign_workspace("berlin", role="secondary"))
        .when(assign_workspace("berlin", role="primary"))
        .then(happens("WorkspaceAssigned", workspace_id="berlin", role="primary"))
    )


def test_a_workspace_of_a_closed_or_unknown_pool_is_refused() -> None:
    given(open_pool(), close_pool()).when(assign_workspace("berlin")).refused(PoolIsClosed)
    given().when(assign_workspace("berlin")).refused(UnknownPool)


@pytest.mark.parametrize("workspace_id", ["", "x" * 129, "a\0b"])
def test_a_workspace_without_a_proper_id_is_refused(workspace_id: str) -> None:
    given(open_pool()).when(assign_workspace(workspace_id)).refused(InvalidId)


def test_a_workspace_is_unassigned() -> None:
    (
        given(open_pool(), assign_workspace("berlin"))
        .when(unassign_workspace("berlin", reason="moved"))
        .then(happens("WorkspaceUnassigned", workspace_id="berlin", reason="moved", actor="alice"))
    )


def test_unassigning_what_is_not_assigned_is_harmless() -> None:
    given(open_pool()).when(unassign_workspace("berlin")).then_nothing()


def test_a_workspace_of_an_unknown_pool_cannot_be_unassigned() -> None:
    given().when(unassign_workspace("berlin")).refused(UnknownPool)


def test_an_assigned_workspace_uses_the_pool() -> None:
    (
        given(pool_with(quota("api_calls", 10)), assign_workspace("berlin"))
        .when(used("api_calls", 4, workspace_id="berlin"))
        .then(recorded("api_calls", 4, workspace_id="berlin"))
    )


@pytest.mark.parametrize("mode", ["strict", "report"])
def test_usage_of_a_workspace_that_is_not_assigned_is_refused(mode: str) -> None:
    (
        given(pool_with(quota("api_calls", 10)), assign_workspace("berlin"), unassign_workspace("berlin"))
        .when(used("api_calls", 4, mode, workspace_id="berlin"))  # type: ignore[arg-type]
        .then(refused_line("api_calls", code=CustomerIsNotAssigned.code, workspace_id="berlin"))
    )


def test_only_an_assigned_workspace_gives_back() -> None:
    story = given(pool_with(limit("seats", 5)), assign_workspace("berlin"), used("seats", 2, workspace_id="berlin"))
    story.when(release_usage("seats", 1, workspace_id="paris")).refused(CustomerIsNotAssigned)
    story.when(release_usage("seats", 1, workspace_id="berlin")).then(
        happens("UsageReleased", resource_key="seats", quantity=1, workspace_id="berlin", total={"consumed": 1})
    )
