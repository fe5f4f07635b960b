"""Resource keys and entitlement sets."""

import pytest
from specification import days, given, happens

from entitlements.domain.commands import Command
from entitlements.domain.errors import InvalidCommand, InvalidId, InvalidRules
from entitlements.examples import NOON, define_entitlement_set, define_resource_key, feature, quota


def test_a_resource_key_is_defined() -> None:
    (
        given()
        .when(define_resource_key("bandwidth", name="Bandwidth", data_type="integer", unit="byte", scale=0))
        .then(
            happens(
                "ResourceKeyDefined",
                originator_id="bandwidth",
                originator_version=1,
                name="Bandwidth",
                data_type="integer",
                unit="byte",
                scale=0,
                actor="alice",
                timestamp=NOON,
            )
        )
    )


def test_the_same_definition_of_a_key_again_is_harmless() -> None:
    given(define_resource_key("k")).when(define_resource_key("k", actor="bob")).then_nothing()


def test_a_key_is_described_anew() -> None:
    (
        given(define_resource_key("k", name="Calls"))
        .when(days(1), define_resource_key("k", name="API calls"))
        .then(happens("ResourceKeyDefined", name="API calls", originator_version=2, timestamp=NOON + days(1)))
    )


@pytest.mark.parametrize(
    "other",
    [
        define_resource_key("k", data_type="boolean"),
        define_resource_key("k", scale=2),
        define_resource_key("k", scale=-1),
        define_resource_key("k", scale=19),
    ],
)
def test_type_and_scale_of_a_key_never_change(other: Command) -> None:
    given(define_resource_key("k", scale=0)).when(other).refused(InvalidCommand)


@pytest.mark.parametrize("key", ["", "x" * 129, "a\0b"])
def test_a_key_without_a_proper_id_is_refused(key: str) -> None:
    given().when(define_resource_key(key)).refused(InvalidId)


def test_texts_that_cannot_be_stored_are_refused() -> None:
    given().when(define_resource_key("k", name="a\0b")).refused(InvalidCommand)
    given().when(define_entitlement_set("s", name="a\0b")).refused(InvalidCommand)
    given().when(define_resource_key("k", actor="\0")).refused(InvalidCommand)


def test_a_set_is_defined_in_its_first_version() -> None:
    (
        given()
        .when(define_entitlement_set("pro", quota("api_calls", 500), ladder="plans", rung=2))
        .then(
            happens(
                "EntitlementSetDefined",
                originator_id="pro",
                version=1,
                ladder="plans",
                rung=2,
                rules=[{"resource_key": "api_calls", "amount": 500}],
            )
        )
    )


def test_the_same_definition_of_a_set_again_is_no_new_version() -> None:
    given(define_entitlement_set("pro", quota())).when(define_entitlement_set("pro", quota())).then_nothing()


@pytest.mark.parametrize(
    "other",
    [
        define_entitlement_set("pro", quota(amount=501)),
        define_entitlement_set("pro", quota(), feature("sso")),
        define_entitlement_set("pro", quota(), name="Professional"),
        define_entitlement_set("pro", quota(), rung=3),
        define_entitlement_set("pro", quota(), ladder=None, rung=None),
    ],
)
def test_another_definition_is_the_next_version(other: Command) -> None:
    given(define_entitlement_set("pro", quota())).when(other).then(happens("EntitlementSetDefined", version=2))


def test_a_rung_belongs_to_a_ladder() -> None:
    given().when(define_entitlement_set("pro", ladder=None, rung=1)).refused(InvalidCommand)
    given().when(define_entitlement_set("pro", ladder="plans", rung=None)).refused(InvalidCommand)


def test_a_set_of_no_or_impossible_rules_is_refused() -> None:
    given().when(define_entitlement_set("pro", rules=[])).refused(InvalidRules)
    given().when(define_entitlement_set("pro", quota("k", 10, hard_limit=9))).refused(InvalidRules)


@pytest.mark.parametrize("set_id", ["", "x" * 129, "a\0b"])
def test_a_set_without_a_proper_id_is_refused(set_id: str) -> None:
    given().when(define_entitlement_set(set_id)).refused(InvalidId)
