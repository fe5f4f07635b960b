"""What narrows a pool for one of its workspaces."""

from __future__ import annotations

from typing import Any

import pytest
from specification import given, pool_with, used

from entitlements import examples as ask
from entitlements import examples_of_terms as terms
from entitlements.domain.commands import Command
from entitlements.domain.decide import decide
from entitlements.domain.errors import InvalidCommand, MemberCapIsReached
from entitlements.domain.values import Rule
from entitlements.examples import NOON_MS, assign_workspace, quota, unassign_workspace
from entitlements.examples_of_terms import cap_member, set_override


def after(*commands: Command) -> Any:
    """The answer to the last of these commands to a pool with the workspace w."""
    pool = decide(None, ask.open_pool(), NOON_MS).aggregate
    answers = [decide(pool, command, NOON_MS) for command in (ask.assign_workspace("w"), *commands)]
    return answers[-1]


TAKEN = terms.set_override(None, override_id="o", resource_key="calls", allowed=False, workspace_id="w")
GIVEN = ask.provision_pool("p-1", ask.quota("calls", 20))


@pytest.mark.parametrize("history", [(TAKEN, GIVEN), (GIVEN, TAKEN)], ids=["before", "after"])
def test_an_override_of_a_workspace_holds_whether_it_was_set_before_or_after_the_pool_had_the_key(
    history: tuple[Command, ...],
) -> None:
    of_w = after(*history, ask.record_usage(ask.line("calls", 1, workspace_id="w")))
    assert [code for _, code, _ in of_w.usage.refused] == ["not_entitled"]
    assert after(*history, ask.record_usage(ask.line("calls", 1))).usage.accepted == 1


def test_credits_are_capped_by_the_keys_that_draw_on_them() -> None:
    """A cap on the credits themselves would be no cap: usage of other keys draws on them."""
    balance = Rule(resource_key="credits", rule_type="credit", amount=50, stacking="sum")
    past = [pool_with(balance), assign_workspace()]
    given(past).when(cap_member(5, resource_key="credits")).refused(InvalidCommand)
    of_workspace = set_override(5, resource_key="credits", workspace_id="acme-berlin")
    given(past).when(of_workspace).refused(InvalidCommand)


def test_a_cap_outlives_the_assignment_it_was_set_on() -> None:
    """Taken away and given back in a minute is not a way around it."""
    drawn = used("api_calls", 5, workspace_id="acme-berlin")
    past = [pool_with(quota("api_calls", 100)), assign_workspace(), cap_member(5), drawn]
    story = given(past, unassign_workspace(), assign_workspace()).when(drawn)
    story.lines((0, MemberCapIsReached, 0))
