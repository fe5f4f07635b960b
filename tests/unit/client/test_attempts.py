"""What is sent again, when, and what is made of it: the generator is driven by hand, no server."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from entitlements_client.errors import (
    BodyTooLarge,
    EntitlementsError,
    IdempotencyKeyReused,
    InsufficientScope,
    NotEntitled,
    NotReachedYet,
    OutcomeUnknown,
    ProvisionSuspended,
    QuotaExceeded,
    RateLimited,
    Refused,
    ServiceIsAway,
    Unauthenticated,
)
from entitlements_client.transport.attempts import Pause, Retries, Send, attempts
from entitlements_client.transport.call import Answer, Call, NoAnswer
from entitlements_client.transport.methods import check, command, commit, entitlements, record_usage

CUT = NoAnswer("cut", was_sent=True)
NOT_SENT = NoAnswer("refused", was_sent=False)
USAGE = record_usage({"customer_id": "c", "resource_key": "k", "quantity": 1})


def problem(status: int, code: str, headers: dict[str, str] | None = None, **facts: Any) -> Answer:
    return Answer(status, headers or {}, json.dumps({"code": code, "status": status, **facts}).encode())


def answer(document: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, headers, json.dumps(document).encode())


class Driven:
    """Carries a call out against answers in their order, the last one again and again."""

    def __init__(self, call: Call[Any], came: Sequence[Answer | NoAnswer], **retries: Any) -> None:
        self.sent: list[Call[Any]] = []
        self.pauses: list[float] = []
        self.now, self.result = 100.0, None
        self.error: EntitlementsError | None = None
        left = list(came)
        steps = attempts(call, Retries(**retries), clock=lambda: self.now, jitter=lambda: 1.0)
        reply: Answer | NoAnswer | None = None
        try:
            while True:
                step = steps.send(reply)
                reply = None
                match step:
                    case Send(call=sent):
                        self.sent.append(sent)
                        self.now += 0.01
                        reply = left.pop(0) if len(left) > 1 else left[0]
                    case Pause(seconds=seconds):
                        self.pauses.append(seconds)
                        self.now += seconds
        except StopIteration as end:
            self.result = end.value
        except EntitlementsError as error:
            self.error = error


RECORDED = answer({"status": "recorded", "usage_id": "u", "pool_id": "p"}, **{"entitlements-consistency": "0:7"})


@pytest.mark.parametrize(
    "hindrance",
    [
        CUT,
        NOT_SENT,
        problem(503, "server_is_away"),
        problem(504, "outcome_unknown"),
        problem(429, "rate_limited"),
        problem(500, "internal"),
    ],
)
def test_whatever_passes_is_tried_again_with_the_same_key(hindrance: Answer | NoAnswer) -> None:
    driven = Driven(USAGE, [hindrance, hindrance, RECORDED])
    assert driven.result is not None
    assert driven.result.consistency_token == "0:7"
    assert len({sent.idempotency_key for sent in driven.sent}) == 1
    assert len({json.dumps(sent.body) for sent in driven.sent}) == 1, "another body under the same key is refused"
    assert len(driven.sent) == 3


def test_what_changes_something_has_a_key_of_its_own_or_that_of_the_caller() -> None:
    assert command("OpenPool", {}).idempotency_key != command("OpenPool", {}).idempotency_key
    assert command("OpenPool", {}, idempotency_key="mine").idempotency_key == "mine"
    assert not check("c", "k").idempotency_key


@pytest.mark.parametrize(
    ("last", "error"),
    [(CUT, OutcomeUnknown), (problem(504, "outcome_unknown"), OutcomeUnknown), (problem(500, "internal"), OutcomeUnknown), (NOT_SENT, ServiceIsAway), (problem(429, "rate_limited"), RateLimited)],
)  # fmt: skip
def test_a_change_that_may_have_been_seen_ends_as_unknown_and_names_its_key(
    last: Answer | NoAnswer, error: type[EntitlementsError]
) -> None:
    driven = Driven(USAGE, [last], change_within=1.0)
    assert type(driven.error) is error
    if isinstance(driven.error, OutcomeUnknown):
        assert driven.error.idempotency_key == USAGE.idempotency_key


def test_a_change_that_was_seen_once_stays_unknown_though_later_attempts_were_never_sent() -> None:
    assert isinstance(Driven(USAGE, [CUT, NOT_SENT], change_within=1.0).error, OutcomeUnknown)


@pytest.mark.parametrize("last", [CUT, NOT_SENT, problem(504, "outcome_unknown"), problem(503, "server_is_away")])
def test_of_a_question_nothing_is_unknown_there_is_just_no_answer(last: Answer | NoAnswer) -> None:
    error = Driven(check("c", "k"), [last], read_within=1.0).error
    assert isinstance(error, ServiceIsAway)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (problem(409, "quota_exceeded", remaining=3), QuotaExceeded), (problem(409, "not_entitled"), NotEntitled), (problem(409, "provision_suspended"), ProvisionSuspended),
        (problem(409, "pool_is_closed"), Refused), (problem(422, "idempotency_key_reused"), IdempotencyKeyReused),
    ],
)  # fmt: skip
def test_a_refusal_is_final_and_keeps_its_code(said: Answer, error: type[EntitlementsError]) -> None:
    driven = Driven(USAGE, [said])
    assert type(driven.error) is error
    assert driven.error.reason_code == said.document()["code"]
    assert len(driven.sent) == 1
    if isinstance(driven.error, QuotaExceeded):
        assert driven.error.remaining == 3


def test_pauses_double_and_the_service_may_ask_for_longer_ones() -> None:
    assert Driven(check("c", "k"), [CUT], pause_for_min=0.1, pause_for_max=0.4, attempts_max=6).pauses == [
        0.1,
        0.2,
        0.4,
        0.4,
        0.4,
    ]
    told = problem(429, "rate_limited", {"retry-after": "2"})
    assert Driven(
        check("c", "k"), [told, answer({"allowed": True, "reason_code": "allowed"})], read_within=5.0
    ).pauses == [2.0]


def test_nobody_waits_longer_than_was_allowed() -> None:
    driven = Driven(check("c", "k"), [CUT], read_within=1.0, attempts_max=1000)
    assert 100.0 < driven.now <= 101.0


def test_a_position_that_is_not_reached_yet_is_waited_for_and_no_other_conflict_is() -> None:
    view = entitlements("c", consistency="0:9")
    behind = problem(409, "not_reached_yet")
    document = {"customer_id": "c", "entitlements": {}}
    assert Driven(view, [behind, answer(document, etag='"1"')]).result.etag == '"1"'
    assert isinstance(Driven(view, [behind], read_within=0.5).error, NotReachedYet)
    assert len(Driven(view, [problem(409, "pool_is_closed")]).sent) == 1


def test_what_is_known_already_comes_back_without_a_body() -> None:
    fetched = Driven(entitlements("c", etag='"1"'), [Answer(304, {"etag": '"1"'}, b"")]).result
    assert fetched.value is None
    assert fetched.etag == '"1"'


@pytest.mark.parametrize("said", [b"<html>sign in to this network</html>", b"[]", b'{"allowed": true}'])
def test_an_answer_that_is_not_the_services_is_no_answer(said: bytes) -> None:
    assert isinstance(Driven(check("c", "k"), [Answer(200, {}, said)]).error, ServiceIsAway)
    line = record_usage({"customer_id": "c", "resource_key": "k", "quantity": 1})
    if not said.startswith(b"{"):
        assert isinstance(Driven(line, [Answer(200, {}, said)]).error, OutcomeUnknown)


@pytest.mark.parametrize("status", [301, 302, 308, 400, 404, 405, 409, 422])
@pytest.mark.parametrize("said", [b"", b"<html>default backend</html>", b'{"message": "no route"}'])
def test_what_is_said_in_the_services_place_is_no_answer(status: int, said: bytes) -> None:
    came = Answer(status, {"location": "https://elsewhere"}, said)
    assert isinstance(Driven(commit("r-1", "p", 3), [came]).error, OutcomeUnknown)
    assert isinstance(Driven(check("c", "k"), [came]).error, ServiceIsAway)


@pytest.mark.parametrize(("status", "error"), [(401, Unauthenticated), (403, InsufficientScope), (413, BodyTooLarge)])
def test_what_anybody_may_say_in_its_place_is_meant(status: int, error: type[EntitlementsError]) -> None:
    assert type(Driven(commit("r-1", "p", 3), [Answer(status, {}, b"<html></html>")]).error) is error


def test_ids_in_paths_are_quoted() -> None:
    assert entitlements("a/b?c d").path == "/v1/customers/a%2Fb%3Fc%20d/entitlements"
