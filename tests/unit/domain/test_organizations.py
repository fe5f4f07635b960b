"""Organizations: units in a tree, what their workspaces use, and who has which role."""

from __future__ import annotations

from random import Random

import pytest
from generated import histories_settings
from hypothesis import given as generated
from hypothesis import strategies as st
from specification import Happens, given, state_of, through_the_ledger

from entitlements.domain import organizing
from entitlements.domain.decide import decide
from entitlements.domain.errors import CommandRefused, TooManyUnits, UnitCycle, UnitIsNotEmpty, UnknownUnit
from entitlements.domain.governance_commands import OrganizationCommand
from entitlements.domain.organizations import Organization, suffices
from entitlements.domain.values import AssignmentChange
from entitlements.examples import NOON_MS
from entitlements.examples_of_governance import (
    assign_unit,
    define_unit,
    place_workspace,
    remove_unit,
    set_member_role,
    unassign_unit,
)


def now_uses(workspace_id: str, pool_id: str, role: str | None = "primary") -> dict[str, object]:
    return {"workspace_id": workspace_id, "pool_id": pool_id, "role": role}


TREE = [define_unit("acme"), define_unit("sales", "acme"), define_unit("emea", "sales"), define_unit("labs", "acme")]


def test_what_a_unit_is_assigned_every_workspace_below_uses() -> None:
    placed = [place_workspace("w-1", "emea"), place_workspace("w-2", "labs")]
    story = given(TREE, placed).when(assign_unit("sales", "pool-a"))
    story.then(Happens("UnitAssigned", {"assignments": [now_uses("w-1", "pool-a")]}))
    story.when(assign_unit("acme", "pool-b", role="secondary")).then(
        Happens("UnitAssigned", {
            "assignments": [now_uses("w-1", "pool-b", "secondary"), now_uses("w-2", "pool-b", "secondary")],
        })
    )  # fmt: skip


def test_the_nearest_unit_decides_in_which_role() -> None:
    placed = [place_workspace("w-1", "emea"), assign_unit("emea", "pool-a", role="secondary")]
    given(TREE, placed).when(assign_unit("acme", "pool-a")).then(Happens("UnitAssigned", {"assignments": []}))
    story = given(TREE, placed, assign_unit("acme", "pool-a")).when(unassign_unit("emea", "pool-a"))
    story.then(Happens("UnitUnassigned", {"assignments": [now_uses("w-1", "pool-a", "primary")]}))


def test_a_workspace_that_moves_leaves_what_its_unit_had_behind() -> None:
    past = [assign_unit("sales", "pool-a"), assign_unit("labs", "pool-b"), assign_unit("acme", "pool-c")]
    story = given(TREE, past, place_workspace("w-1", "emea")).when(place_workspace("w-1", "labs"))
    story.then(
        Happens("WorkspacePlaced", {
            "before_unit_id": "emea",
            "assignments": [now_uses("w-1", "pool-a", None), now_uses("w-1", "pool-b")],
        })
    )  # fmt: skip
    story.when(place_workspace("w-1", "")).then(
        Happens("WorkspacePlaced", {
            "assignments": [now_uses("w-1", "pool-b", None), now_uses("w-1", "pool-c", None)],
        })
    )  # fmt: skip


def test_a_unit_that_moves_takes_its_workspaces_along() -> None:
    past = [assign_unit("sales", "pool-a"), assign_unit("labs", "pool-b"), place_workspace("w-1", "emea")]
    given(TREE, past).when(define_unit("emea", "labs")).then(
        Happens("UnitDefined", {"assignments": [now_uses("w-1", "pool-a", None), now_uses("w-1", "pool-b")]})
    )


def test_a_unit_cannot_lie_within_itself_nor_too_deep() -> None:
    given(TREE).when(define_unit("acme", "emea")).refused(UnitCycle)
    deep = [define_unit(f"u-{at}", f"u-{at - 1}" if at else "") for at in range(organizing.DEPTH_MAX)]
    given(deep).when(define_unit("deeper", f"u-{organizing.DEPTH_MAX - 1}")).refused(TooManyUnits)
    given(deep, define_unit("top")).when(define_unit("u-0", "top")).refused(TooManyUnits)


def test_only_an_empty_unit_is_removed_and_can_come_back() -> None:
    given(TREE).when(remove_unit("sales")).refused(UnitIsNotEmpty)
    story = given(TREE, remove_unit("emea")).when(place_workspace("w-1", "emea")).refused(UnknownUnit)
    story.when(define_unit("emea", "labs"), place_workspace("w-1", "emea"))
    assert story.refusal is None


@pytest.mark.parametrize(
    ("role", "min_role", "has"),
    [
        ("admin", "editor", True), ("editor", "editor", True), ("viewer", "editor", False), ("", "viewer", False),
        ("", "", True), ("viewer", "", True), ("admin", "admin", True), ("editor", "admin", False),
    ],
)  # fmt: skip
def test_roles_include_those_below(role: str, min_role: str, *, has: bool) -> None:
    assert suffices(role, min_role) is has


def test_the_highest_role_of_a_subject_counts_wherever_it_is_held() -> None:
    roles = [
        set_member_role("ann", unit_id="acme", role="viewer"),
        set_member_role("ann", unit_id="sales", role="admin"),
        set_member_role("bob", workspace_id="w-2", role="editor"),
        place_workspace("w-1", "emea"),
        place_workspace("w-2", "labs"),
    ]
    organization = given(TREE, roles).aggregate
    assert isinstance(organization, Organization)
    assert organization.role_of("w-1", "ann") == "admin"
    assert organization.role_of("w-2", "ann") == "viewer"
    assert organization.role_of("w-2", "bob") == "editor"
    assert organization.role_of("w-1", "bob") == ""


def _random_command(random: Random) -> OrganizationCommand:
    unit, pool, workspace = f"u-{random.randint(0, 5)}", f"p-{random.randint(0, 2)}", f"w-{random.randint(0, 3)}"
    other = random.choice(("", f"u-{random.randint(0, 5)}"))
    role = random.choice(("viewer", "editor", "admin", ""))
    return random.choice((
        define_unit(unit, other), define_unit(unit, other), place_workspace(workspace, other),
        place_workspace(workspace, unit), assign_unit(unit, pool, role=random.choice(("primary", "secondary"))),
        unassign_unit(unit, pool), remove_unit(unit), set_member_role("ann", unit_id=unit, role=role),
        set_member_role("ann", workspace_id=workspace, role=role),
    ))  # fmt: skip


@histories_settings(60)
@generated(seed=st.integers(0, 2**32))
def test_who_only_follows_the_changes_knows_what_every_workspace_uses(seed: int) -> None:
    """Policies see nothing else: after any history the changes told lead to what the units say."""
    random, organization, followed = Random(seed), None, {}
    folded = None
    for _ in range(60):
        before = None if organization is None else organization.version
        try:
            organization = decide(organization, _random_command(random), NOON_MS).aggregate
        except CommandRefused:
            assert before == (None if organization is None else organization.version)
            continue
        assert isinstance(organization, Organization)
        for event in through_the_ledger(organization.take_events()):
            folded = event.mutate(folded)  # type: ignore[arg-type]
            changes: list[AssignmentChange] = getattr(event, "assignments", [])
            for change in changes:
                assert followed.get((change.workspace_id, change.pool_id)) != (change.role, change.may_overflow)
                if change.role is None:
                    del followed[change.workspace_id, change.pool_id]
                else:
                    followed[change.workspace_id, change.pool_id] = (change.role, change.may_overflow)
        assert folded is not None
        assert state_of(folded) == state_of(organization)
        assert followed == {
            (workspace_id, pool_id): (assignment.role, assignment.may_overflow)
            for workspace_id, unit_id in organization.workspaces.items()
            for pool_id, assignment in organization.assigned(unit_id).items()
        }
