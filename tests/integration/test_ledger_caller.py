"""A caller hears what became of its command, or that nobody knows: unknown is not failed."""

import time
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from tests.faults import driving
from tests.faults.driving import line, open_pool, pools_on, provision, quota, use

from entitlements.domain import commands
from entitlements.errors import CommandIsTooLarge, OutcomeUnknown
from entitlements.ledger.caller import Caller, by_partition, new_id
from entitlements.settings import Settings
from entitlements_schemas import WireError


class Place(NamedTuple):
    settings: Settings
    caller: Caller


@pytest.fixture
def place(kafka: str, topic_prefix: str) -> Iterator[Place]:
    """A caller, and no engine."""
    settings = driving.settings_for(kafka, topic_prefix, answer_timeout_for=0.3)
    with Caller(settings) as caller:
        yield Place(settings, caller)


def test_without_an_engine_nobody_knows_and_the_retried_command_gets_the_original_answer(place: Place) -> None:
    opening = open_pool("p")
    asked = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        place.caller.call(opening)
    assert 0.25 < time.monotonic() - asked < 8
    with driving.engine(place.settings):
        # The first one was decided meanwhile: this is its repeat, under a command id of its own.
        again = driving.insist(place.caller, open_pool("p"))
        assert (again.status, again.repeated) == ("accepted", True)
        assert again.version == 2, "one effect"
        same = driving.insist(place.caller, opening)
        assert (same.status, same.repeated, same.version) == ("accepted", True, 2)
        other = driving.insist(place.caller, open_pool("p", organization_id="another"))
        assert (other.status, other.code) == ("refused", "idempotency_key_reused")


def test_usage_that_nobody_knows_of_counts_once_and_a_refusal_frees_its_id(place: Place) -> None:
    with driving.engine(place.settings):
        for command in (open_pool("p"), provision("p", quota(10))):
            assert driving.insist(place.caller, command).is_accepted
    lines = [line(6, usage_id="a"), line(6, usage_id="b")]
    with pytest.raises(OutcomeUnknown):
        place.caller.call(use("p", *lines))
    with driving.engine(place.settings):
        outcome = driving.insist(place.caller, use("p", *lines))
        assert (outcome.status, outcome.accepted_lines) == ("partial", 1)
        (refused,) = outcome.refused_lines
        assert (refused.index, refused.code, refused.remaining) == (1, "quota_exceeded", 4)
        less = driving.insist(place.caller, use("p", line(4, usage_id="b")))
        assert (less.status, less.repeated) == ("accepted", False)
        another = driving.insist(place.caller, use("p", line(1, usage_id="a")))
        assert [one.code for one in another.refused_lines] == ["idempotency_key_reused"]
    assert driving.read_ledger(place.settings).totals["p", "api_calls"] == 10


def test_a_numbered_batch_counts_once_in_each_pool(place: Place) -> None:
    pools = [pool for pool, _ in zip(pools_on(1), range(3), strict=False)]
    assert list(by_partition(pools, place.settings.partitions)) == [1]
    groups = [{"pool_id": pool, "lines": [line(2), line(1)]} for pool in pools]
    batch = commands.RecordUsageBatch(command_id=new_id(), source="meter", sequence=7, groups=groups)  # type: ignore[arg-type]
    with driving.engine(place.settings):
        for pool in pools:
            for command in (open_pool(pool), provision(pool, quota(5))):
                driving.insist(place.caller, command)
        answers = [place.caller.call(batch, partition=1) for _ in range(3)]
    assert [(answer.status, answer.repeated) for answer in answers] == [
        ("accepted", False),
        ("accepted", True),
        ("accepted", True),
    ]
    truth = driving.read_ledger(place.settings)
    assert [truth.totals[pool, "api_calls"] for pool in pools] == [3, 3, 3]


def test_a_caller_that_was_replaced_hears_nothing_of_its_predecessor(place: Place) -> None:
    opening = open_pool("p")
    with pytest.raises(OutcomeUnknown):
        place.caller.call(opening)
    with Caller(place.settings) as successor, driving.engine(place.settings):
        outcome = driving.insist(successor, opening)
    assert (outcome.command_id, outcome.repeated) == (opening.command_id, True)


def test_what_does_not_fit_is_not_sent(place: Place) -> None:
    many = use("p", *[line(usage_id=f"{n:0100}") for n in range(10_000)])
    with pytest.raises(CommandIsTooLarge):
        place.caller.call(many)
    with pytest.raises(WireError):
        place.caller.call(use("p", line(quantity="many")))  # type: ignore[arg-type]
    assert all(not messages for messages in driving.read_all(place.settings, "commands").values())


def test_whoever_waits_when_the_caller_is_closed_hears_that_nobody_knows(place: Place) -> None:
    with Caller(place.settings) as another:
        future = another.send(open_pool("p"))
    with pytest.raises(OutcomeUnknown):
        future.result(0)
