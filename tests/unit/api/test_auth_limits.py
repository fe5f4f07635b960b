"""What an organization may have under way at once."""

from __future__ import annotations

import pytest

from entitlements.api.auth.errors import TooManyRequests
from entitlements.api.auth.limits import QUESTIONS_MAX, UnderWay
from entitlements.api.question_bodies import MANY_MAX


def test_questions_of_one_organization_are_bounded_together_until_they_are_answered() -> None:
    under_way = UnderWay(requests_max=10, questions_max=100)
    first, second, refused = (under_way.begin("acme") for _ in range(3))
    first.ask(60)
    second.ask(40)
    with pytest.raises(TooManyRequests, match="100 checks of bulk requests are in progress"):
        refused.ask(1)
    under_way.begin("globex").ask(100)  # Each has a share of its own.
    refused.end()  # It never counted.
    first.end()
    third = under_way.begin("acme")
    third.ask(60)
    with pytest.raises(TooManyRequests):
        under_way.begin("acme").ask(1)


def test_one_call_of_many_always_fits_alone() -> None:
    assert MANY_MAX <= QUESTIONS_MAX
    under_way = UnderWay(requests_max=10, questions_max=5)
    under_way.begin("acme").ask(MANY_MAX)
    with pytest.raises(TooManyRequests):
        under_way.begin("acme").ask(1)
