"""Engine and publisher are killed ten times each while strict usage runs against small quotas."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from tests.faults import driving
from tests.faults.driving import METERING, Event, Running, Traffic, Truth

from entitlements import testing
from entitlements.ledger.publisher import INTERNAL
from entitlements.settings import Settings

KILLS = 10
TOPICS = ("events", "usage")
ENOUGH = 10


@dataclass
class Fire:
    settings: Settings
    traffic: Traffic
    truth: Truth
    kills: dict[str, int]


@pytest.fixture(scope="module", params=["kafka", "direct"])
def fire(kafka: str, request: pytest.FixtureRequest) -> Fire:
    """Traffic while processes are killed at random moments; when it is over, everything has come to rest. By either way of answers."""
    settings = driving.settings_for(kafka, testing.unique_prefix(), answer_timeout_for=1.0, replies=request.param)
    traffic, kills = Traffic(settings), {}
    survivors: list[Running] = []

    def kill_again_and_again(what: str, start: Callable[[Settings], Running], seed: int) -> None:
        generator, kills[what] = random.Random(seed), 0
        process = start(settings)
        for number in range(KILLS):
            # From before it has joined its group to well after; a dead member is missed for SESSION_FOR. On a slow
            # machine none would live to decide anything: every third is let do some work first.
            if number % 3 == 1:
                traffic.go_on(1, within=60.0)
            time.sleep(generator.uniform(0.3, driving.SESSION_FOR + 0.9))
            process.kill()
            kills[what] += 1
            process = start(settings)
        survivors.append(process)

    try:
        with traffic.flowing():
            with driving.in_background(
                lambda: kill_again_and_again("engine", driving.engine, 1),
                lambda: kill_again_and_again("publisher", driving.publisher, 2),
            ):
                pass
            # On a busy machine they were killed before they had done much: what is to be looked at has to happen.
            driving.eventually(lambda: is_something_to_look_at(driving.read_ledger(settings)), within=60.0, every=0.5)
        truth = driving.read_ledger(settings)
        expected = sum(1 for events in truth.events.values() for event in events if event.name not in INTERNAL)
        driving.eventually(lambda: places_published(settings) >= expected, every=0.3)
    finally:
        for process in survivors:
            process.stop()
            process.kill()
    return Fire(settings, traffic, truth, kills)


def is_something_to_look_at(truth: Truth) -> bool:
    """Whether every partition has enough of both kinds of events."""
    of_each = [[sum(belongs(e, topic) for e in events) for topic in TOPICS] for events in truth.events.values()]
    return len(of_each) == driving.PARTITIONS and all(count > ENOUGH for counts in of_each for count in counts)


def places_published(settings: Settings) -> int:
    both = [driving.published(settings, topic) for topic in ("events", "usage")]
    return len({(p, e.offset, e.index) for found in both for p, events in found.items() for e in events})


def test_totals_are_those_of_an_independent_count(fire: Fire) -> None:
    assert fire.kills == {"engine": KILLS, "publisher": KILLS}
    assert len(fire.truth.engines) > 1, "no engine but one decided anything: nothing was tested"
    assert fire.traffic.unknown > 0, "no caller ever waited in vain: nothing was tested"
    fire.traffic.check(fire.truth)


def test_every_line_has_one_answer_however_often_it_was_asked(fire: Fire) -> None:
    found = driving.outcomes_of(fire.settings)
    assert found or fire.settings.replies == "direct", "no answer was seen: nothing was tested"
    for command_id, results in found.items():
        answers = {(r["status"], r["accepted_lines"], str(r["refused_lines"])) for r in results}
        assert len(answers) == 1, f"{command_id}: {answers}"


@pytest.mark.parametrize("topic", TOPICS)
def test_every_event_is_published_in_order_and_repeats_are_recognisable(fire: Fire, topic: str) -> None:
    for partition, events in driving.published(fire.settings, topic).items():
        wanted = [e for e in fire.truth.events[partition] if belongs(e, topic)]
        assert driving.without_repeats(events) == wanted
        assert len(wanted) > ENOUGH


def belongs(event: Event, topic: str) -> bool:
    return event.name not in INTERNAL and (event.name in METERING) == (topic == "usage")
