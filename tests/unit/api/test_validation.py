"""What is wrong with a body is told with its place, whoever decoded it."""

from __future__ import annotations

import json

import msgspec
import pytest

from entitlements.api.question_bodies import Checks
from entitlements.api.validation import explained_decoding, invalid


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


def test_a_body_that_is_no_json_is_told_where() -> None:
    body = b'{"checks": 1, "x": nope}'
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(body, type=Checks)
    assert str(explained_decoding(caught.value, body)) == "The body is not valid JSON at byte 19."


def test_a_sentence_that_leaves_places_out_says_so() -> None:
    problem = invalid([{"at": f"body.{n}", "message": "is required"} for n in range(6)])
    assert problem.detail.endswith("body.4: is required; and 1 more, see errors.")


def test_no_problem_has_the_secret_of_a_key() -> None:
    key = "ent_3kTfq09sXa2B_" + "s" * 43
    document = invalid([{"at": f"query.{key}", "message": f"{key}?"}]).document()
    assert "s" * 43 not in json.dumps(document)
    assert "ent_3kTfq09sXa2B_***" in document["detail"]
