"""What is wrong with a body is told with its place, whoever decoded it."""

from __future__ import annotations

import msgspec
import pytest

from entitlements.api.question_bodies import Checks
from entitlements.api.validation import explained_decoding


@pytest.mark.parametrize(
    ("body", "at"),
    [
        (b'{"checks": [{"customer_id": "c", "resource_key": "k", "quantity": "3"}]}', "body.checks.0.quantity"),
        (b'{"checks": [{"customer": "c"}]}', "body.checks.0.customer"),
        (b'{"cheks": []}', "body.cheks"),
    ],
)
def test_a_body_that_is_decoded_by_hand_has_places_too(body: bytes, at: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Checks)
    problem = explained_decoding(caught.value)
    (error,) = problem.facts["errors"]
    assert error["at"] == at
    assert "`$" not in error["message"]
    assert f"{at}: {error['message']}" in str(problem)
