"""What narrows a pool for one of its workspaces."""

from __future__ import annotations

from typing import Any

import pytest

from entitlements import examples as ask
from entitlements import examples_of_terms as terms
from entitlements.domain.commands import Command
from entitlements.domain.decide import decide
from entitlements.examples import NOON_MS


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
