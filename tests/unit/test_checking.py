"""Which pool of a workspace answers."""

from __future__ import annotations

import pytest

from entitlements.access.checking import which_decides
from entitlements.domain.overflow import asks_the_next


@pytest.mark.parametrize(
    ("code", "anyway", "where_it_may_overflow"),
    [
        ("not_entitled", True, True),
        ("pool_is_suspended", True, True),
        ("provision_suspended", True, True),
        ("pool_is_closed", True, True),
        ("quota_exceeded", False, True),
        ("member_cap_reached", False, True),
        ("allowed", False, False),
        ("invalid_quantity", False, False),
    ],
)
def test_the_next_pool_is_asked_after_one_that_has_nothing_or_has_no_room_and_overflows(
    code: str, *, anyway: bool, where_it_may_overflow: bool
) -> None:
    assert asks_the_next(code, may_overflow=False) == anyway
    assert asks_the_next(code, may_overflow=True) == where_it_may_overflow


@pytest.mark.parametrize(
    ("codes", "place"),
    [
        (["quota_exceeded", "allowed"], 1),
        (["not_entitled", "quota_exceeded"], 1),
        (["quota_exceeded", "member_cap_reached"], 0),
        (["pool_is_suspended", "not_entitled"], 0),
        (["not_entitled", "provision_suspended"], 1),
        (["not_entitled", "provision_suspended", "quota_exceeded"], 2),
        (["not_entitled", "unknown_key"], 0),
    ],
)
def test_the_answer_is_of_the_pool_that_allows_or_the_first_that_has_the_key(codes: list[str], place: int) -> None:
    assert which_decides(codes) == place
