"""Plan ladders as things: their rungs are the service tiers, and what sets and commands say of them is checked."""

from typing import Any

import pytest
from specification import given, happens

from entitlements.domain.errors import InvalidCommand, InvalidId, InvalidLadder, LadderMismatch, UnknownRung
from entitlements.domain.ladders import RUNGS_MAX, check_place
from entitlements.domain.values import LadderRung
from entitlements.examples import define_entitlement_set, define_ladder, quota

FREE, PRO, ENTERPRISE = (
    LadderRung(rung=rung, name=name) for rung, name in ((1, "Free"), (2, "Pro"), (9, "Enterprise"))
)


def test_a_ladder_has_its_tiers_in_their_order() -> None:
    given().when(define_ladder("plans", rungs=[FREE, PRO, ENTERPRISE])).then(
        happens("LadderDefined", originator_id="plans", name="Plans", rungs=[{"rung": 1}, {"rung": 2}, {"rung": 9}])
    )


def test_a_ladder_is_defined_anew_and_the_same_again_is_harmless() -> None:
    story = given(define_ladder(rungs=[FREE, PRO]))
    story.when(define_ladder(rungs=[FREE, PRO])).then_nothing()
    story.when(define_ladder(rungs=[FREE, PRO, ENTERPRISE])).then(happens("LadderDefined"))
    story.when(define_ladder(rungs=[FREE])).then(happens("LadderDefined", rungs=[{"name": "Free"}]))
    story.when(define_ladder(rungs=[FREE], name="Tiers")).then(happens("LadderDefined", name="Tiers"))


@pytest.mark.parametrize(
    "rungs",
    [
        [],
        [PRO, FREE],
        [FREE, LadderRung(rung=1, name="Other")],
        [FREE, LadderRung(rung=2, name="Free")],
        [LadderRung(rung=1, name="")],
        [LadderRung(rung=1, name="n" * 129)],
        [LadderRung(rung=2**31, name="High")],
        [LadderRung(rung=rung, name=str(rung)) for rung in range(RUNGS_MAX + 1)],
    ],
)
def test_rungs_rise_and_have_names_of_their_own(rungs: list[LadderRung]) -> None:
    given().when(define_ladder(rungs=rungs)).refused(InvalidLadder)


def test_a_ladder_has_an_id_and_a_name_that_can_be_stored() -> None:
    given().when(define_ladder("")).refused(InvalidId)
    given().when(define_ladder(name="a\0b")).refused(InvalidCommand)


def test_a_set_is_on_a_rung_that_its_ladder_has() -> None:
    given().when(define_entitlement_set("pro", rung=3, ladder_rungs=[1, 2])).refused(UnknownRung)
    given().when(define_entitlement_set("pro", rung=2, ladder_rungs=[1, 2])).then(happens("EntitlementSetDefined"))


def test_a_ladder_that_nobody_has_defined_grows() -> None:
    given().when(define_entitlement_set("pro", rung=3, ladder_rungs=None)).then(
        happens("EntitlementSetDefined", rung=3)
    )


def test_a_set_stays_on_a_rung_that_was_retired_until_it_is_defined_anew() -> None:
    story = given(define_entitlement_set("pro", rung=3, ladder_rungs=[1, 3]))
    story.when(define_entitlement_set("pro", rung=3, ladder_rungs=[1])).then_nothing()
    story.when(define_entitlement_set("pro", quota(amount=7), rung=3, ladder_rungs=[1])).refused(UnknownRung)


def test_what_was_found_on_the_ladder_is_no_part_of_what_was_asked() -> None:
    asked: dict[str, Any] = {"rung": 2, "idempotency_key": "k", "looked_up": ["ladder_rungs"]}
    story = given(define_entitlement_set("pro", ladder_rungs=None, **asked))
    story.when(define_entitlement_set("pro", ladder_rungs=[1], **asked)).then_repeated()


@pytest.mark.parametrize("stated", [{"ladder": "plnas"}, {"rung": 3}, {"ladder": "plans", "rung": 3}])
def test_who_says_another_place_than_the_set_is_told(stated: dict[str, Any]) -> None:
    with pytest.raises(LadderMismatch):
        check_place(stated, {"ladder": "plans", "rung": 2}, "pro")
    with pytest.raises(LadderMismatch):
        check_place(stated, {"ladder": None, "rung": None}, "seats-pack")


def test_who_says_nothing_or_the_same_as_the_set_is_right() -> None:
    for stated in ({}, {"ladder": None, "rung": None}, {"ladder": "plans"}, {"ladder": "plans", "rung": 2}):
        check_place(stated, {"ladder": "plans", "rung": 2}, "pro")
