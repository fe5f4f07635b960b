"""A set that is named in a command fills in what the command does not say."""

from __future__ import annotations

from typing import Any

import pytest

from entitlements.domain.errors import LadderMismatch
from entitlements.examples import quota
from entitlements.intake.sets import filled_in

FOUND = {"set_version": 3, "ladder": "plans", "rung": 0, "name": "Pro"}
RULES = [quota("calls", 10)]
PROVISION = {"set_id", "set_version", "ladder", "rung", "rules", "looked_up"}


def test_what_is_not_said_is_what_the_set_says_and_is_known_as_looked_up() -> None:
    facts = filled_in({"set_id": "pro", "set_version": None}, PROVISION, FOUND, RULES)
    said = {"set_version": 3, "ladder": "plans", "rung": 0, "rules": RULES}
    assert facts == {"set_id": "pro"} | said | {"looked_up": list(said)}


def test_what_is_said_stays() -> None:
    facts = filled_in({"set_id": "pro", "set_version": 2, "rung": 0}, PROVISION, FOUND, RULES)
    assert (facts["set_version"], facts["rung"]) == (2, 0)
    assert facts["looked_up"] == ["ladder", "rules"]


def test_a_field_that_the_command_has_not_is_left_out() -> None:
    assert filled_in({"set_id": "pro"}, {"set_id", "rules"}, FOUND, RULES) == {"set_id": "pro", "rules": RULES}


def test_of_two_sets_each_is_looked_up() -> None:
    takes = PROVISION | {"then_set_id", "then_set_version", "then_rung", "then_rules"}
    facts = filled_in({"set_id": "trial", "then_set_id": "pro"}, takes, FOUND | {"ladder": None, "rung": None}, RULES)
    facts = filled_in(facts, takes, FOUND, RULES, "then_")
    assert (facts["then_rung"], facts["then_set_version"], "then_ladder" in facts) == (0, 3, False)
    of_first, of_then = ["set_version", "ladder", "rung", "rules"], ["then_set_version", "then_rung", "then_rules"]
    assert facts["looked_up"] == of_first + of_then


def test_a_set_that_gets_a_ladder_later_is_looked_up_alike() -> None:
    before = filled_in({"set_id": "pro"}, PROVISION, FOUND | {"ladder": None, "rung": None}, RULES)
    after = filled_in({"set_id": "pro"}, PROVISION, FOUND, RULES)
    assert ("ladder" in before, "ladder" in after) == (False, True)
    assert before["looked_up"] == after["looked_up"]


@pytest.mark.parametrize("said", [{"ladder": "plnas"}, {"rung": 1}, {"ladder": "plans", "rung": 1}])
def test_a_place_that_is_not_that_of_the_set_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(LadderMismatch, match="of set pro"):
        filled_in({"set_id": "pro"} | said, PROVISION, FOUND, RULES)


def test_the_plan_after_a_trial_is_on_the_ladder_of_the_trial() -> None:
    takes = PROVISION | {"then_set_id", "then_set_version", "then_rung", "then_rules"}
    with pytest.raises(LadderMismatch, match="ladder of set team is teams, not plans"):
        filled_in({"then_set_id": "team", "ladder": "plans"}, takes, FOUND | {"ladder": "teams"}, RULES, "then_")


def test_a_command_that_is_on_no_ladder_has_none_to_contradict() -> None:
    facts = filled_in({"set_id": "pro", "ladder": "plnas"}, {"set_id", "set_version", "rules"}, FOUND, RULES)
    assert facts["set_version"] == 3
