"""The error tree: every code is for ever, says why, and is reached by a test."""

import ast
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from entitlements.domain import errors
from entitlements.domain.errors import CommandRefused, InvalidCommand
from entitlements.domain.values import ID_CHARACTERS_MAX, QUANTITY_MAX
from entitlements.settings import ID_CHARACTERS_MAX as SETTINGS_ID_CHARACTERS_MAX
from entitlements.settings import QUANTITY_MAX as SETTINGS_QUANTITY_MAX

HERE = Path(__file__)


def subclasses(kind: type[CommandRefused]) -> list[type[CommandRefused]]:
    return [sub for child in kind.__subclasses__() for sub in (child, *subclasses(child))]


REFUSALS = subclasses(CommandRefused)


@cache
def named_in_tests() -> Counter[str]:
    """How often a name is used, not only imported, in the tests of this folder and the one above."""
    files = [file for file in (*HERE.parent.glob("*.py"), *HERE.parent.parent.glob("*.py")) if file != HERE]
    return Counter(
        node.id for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)
    )


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_every_refusal_is_reached_by_a_test(refusal: type[CommandRefused]) -> None:
    assert named_in_tests()[refusal.__name__] >= 1


def test_codes_are_unique() -> None:
    codes = [refusal.code for refusal in REFUSALS]
    assert len(set(codes)) == len(codes)
    assert CommandRefused.code not in codes


def test_codes_are_for_ever() -> None:
    """Callers branch on them. A code is only ever added here."""
    assert {refusal.code for refusal in REFUSALS} >= {
        "grant_already_exists", "idempotency_key_reused", "inheritance_cycle", "inheritance_too_deep", "invalid_command", "invalid_id", "invalid_instant",
        "invalid_quantity", "invalid_rules", "key_is_not_held", "key_is_not_metered", "ladder_is_occupied",
        "more_than_is_held", "not_entitled", "parents_disagree", "period_is_closed", "pool_already_exists", "pool_is_closed",
        "pool_is_elsewhere", "pool_is_suspended", "provision_already_exists", "provision_is_over", "quota_exceeded",
        "rules_conflict", "too_many_provisions", "unknown_grant", "unknown_key", "unknown_parent", "unknown_pool", "unknown_provision",
        "customer_is_not_assigned", "effective_at_not_allowed", "grant_is_over", "invalid_ladder", "ladder_mismatch", "no_billing_period",
        "provision_suspended", "unknown_rung", "api_key_is_over",
    }  # fmt: skip


def test_the_tree_at_the_top_of_the_file_is_complete() -> None:
    assert errors.__doc__ is not None
    assert [refusal.__name__ for refusal in REFUSALS if refusal.__name__ not in errors.__doc__] == []


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.code)
def test_the_message_is_the_docstring_and_the_detail(refusal: type[CommandRefused]) -> None:
    assert str(refusal()) == refusal.__doc__
    assert str(refusal("by alice")) == f"{(refusal.__doc__ or '').rstrip('.')}: by alice."


def test_whatever_cannot_be_meant_is_an_invalid_command() -> None:
    assert all(issubclass(kind, InvalidCommand) for kind in REFUSALS if kind.code.startswith("invalid_"))


def test_the_limits_are_the_same_wherever_they_are_declared() -> None:
    assert (ID_CHARACTERS_MAX, QUANTITY_MAX) == (SETTINGS_ID_CHARACTERS_MAX, SETTINGS_QUANTITY_MAX)
