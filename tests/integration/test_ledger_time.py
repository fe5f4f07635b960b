"""What is due happens by itself, stamped with the instant it was due, with nothing else arriving."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import NamedTuple

import pytest
from tests.faults import driving
from tests.faults.driving import Event, Running, eventually, line, open_pool, provision, quota, use

from entitlements import testing
from entitlements.domain.aggregate import from_ms, to_ms
from entitlements.ledger.caller import Caller
from entitlements.ledger.partitioning import partition_of
from entitlements.settings import Settings

PERIOD_FOR_MS = 2_000
A_SECOND = timedelta(seconds=1)


def short_periods(_: object, at_ms: int, _calendar: object = None) -> tuple[int, int]:
    """Every period lasts two seconds."""
    start = at_ms - at_ms % PERIOD_FOR_MS
    return start, start + PERIOD_FOR_MS


def shorten_periods() -> None:
    driving.patch("entitlements.domain.entitlement.period_bounds", short_periods)


def put_the_clock_ahead() -> None:
    """The engine's, by one and a half seconds; the log's stays as it is."""
    ahead = SimpleNamespace(time_ns=lambda: time.time_ns() + 1_500_000_000)
    driving.patch("entitlements.ledger.ticker.time", ahead)


def now() -> datetime:
    return from_ms(to_ms(datetime.now(UTC)))


class Told(NamedTuple):
    """Commands were sent at once; nothing else arrived since."""

    settings: Settings
    caller: Caller
    at: datetime

    def events(self, pool_id: str) -> list[Event]:
        of_partition = driving.read_ledger(self.settings).events[partition_of(pool_id, self.settings.partitions)]
        return [event for event in of_partition if event.record["originator_id"] == pool_id]

    def happened(self, pool_id: str, name: str) -> list[datetime]:
        """When events of a name happened, once there are any."""

        def look() -> list[datetime]:
            return [from_ms(e.record["timestamp"]) for e in self.events(pool_id) if e.name == name]

        return eventually(look, every=0.1)  # type: ignore[no-any-return]

    def ticks(self) -> Counter[str]:
        """How often the ticker asked for each pool."""
        ticks: Counter[str] = Counter()
        for messages in driving.read_all(self.settings, "commands").values():
            for message in messages:
                name, record = driving.WIRE.decode_plain(message.value())
                if name.endswith("AdvanceClock"):
                    ticks[record["pool_id"]] += 1
        return ticks


def told(kafka: str, prepare: Callable[[], None]) -> Iterator[Told]:
    settings = driving.settings_for(kafka, testing.unique_prefix())
    with ExitStack() as stack:
        engine: Running = stack.enter_context(driving.engine(settings, prepare=prepare))
        caller = stack.enter_context(Caller(settings))
        caller.call_all([open_pool(f"warm{n}") for n in range(6)])
        at = now()
        month = {"backfill_from": at - timedelta(days=30)}
        history = at - timedelta(days=20)
        caller.call_all(
            [
                open_pool("starts"),
                provision("starts", quota(5), starts_at=at + A_SECOND, ends_at=at + 2 * A_SECOND),
                open_pool("later"),
                provision("later", quota(5), starts_at=at + 2.5 * A_SECOND),
                open_pool("resets"),
                provision("resets", quota(5)),
                use("resets", line(3)),
                open_pool("past", **month),
                provision("past", quota(5), effective_at=history, starts_at=history, ends_at=history + A_SECOND),
                open_pool("closed"),
                provision("closed", quota(5), starts_at=at + A_SECOND),
                driving.commands.ClosePool(command_id="c", pool_id="closed"),
            ]
        )
        yield Told(settings, caller, at)
        assert engine.is_running, engine.said


@pytest.fixture(scope="module")
def on_time(kafka: str) -> Iterator[Told]:
    yield from told(kafka, shorten_periods)


def test_a_provision_starts_and_ends_at_its_instants(on_time: Told) -> None:
    assert on_time.happened("starts", "ProvisionStarted") == [on_time.at + A_SECOND]
    assert on_time.happened("starts", "ProvisionEnded") == [on_time.at + 2 * A_SECOND]
    changes = [e.record for e in on_time.events("starts") if e.name == "EntitlementsChanged"]
    assert [change["changes"][0]["after"] is None for change in changes] == [False, True]


def test_a_quota_resets_at_the_end_of_its_period(on_time: Told) -> None:
    (used_at,) = on_time.happened("resets", "UsageRecorded")
    assert on_time.happened("resets", "QuotaReset") == [from_ms(short_periods(None, to_ms(used_at))[1])]


def test_a_pool_in_backfill_and_a_closed_one_are_left_alone(on_time: Told) -> None:
    on_time.happened("starts", "ProvisionEnded")
    assert {"past", "closed"}.isdisjoint(on_time.ticks())
    assert "ProvisionStarted" in (names := [e.name for e in on_time.events("past")])
    assert "ProvisionEnded" not in names
    # The first command of the present ends the backfill; what was due meanwhile happened when it was due.
    on_time.caller.call(use("past", line()))
    assert on_time.happened("past", "BackfillEnded") > [on_time.at]
    assert on_time.happened("past", "ProvisionEnded") == [on_time.at - timedelta(days=20) + A_SECOND]


def test_each_instant_is_asked_for_about_once(on_time: Told) -> None:
    on_time.happened("starts", "ProvisionEnded")
    on_time.happened("resets", "QuotaReset")
    ticks = on_time.ticks()
    assert ticks["starts"] == 2
    assert ticks["resets"] == 1


def test_an_engine_that_begins_anew_knows_what_is_due(kafka: str) -> None:
    settings = driving.settings_for(kafka, testing.unique_prefix())
    due = now() + 1.5 * A_SECOND
    with Caller(settings) as caller:
        with driving.engine(settings) as engine:
            caller.call_all([open_pool("p"), provision("p", quota(5), starts_at=due, ends_at=due + A_SECOND / 2)])
            engine.kill()
        with driving.engine(settings):
            names = eventually(lambda: names_with(settings, "ProvisionEnded"))
    assert names.count("ProvisionStarted") == names.count("ProvisionEnded") == 1


def names_with(settings: Settings, name: str) -> list[str]:
    names = driving.read_ledger(settings).names("p")
    return names if name in names else []


def test_an_engine_whose_clock_is_ahead_asks_again_until_the_time_has_come(kafka: str) -> None:
    for ahead in told(kafka, put_the_clock_ahead):
        assert ahead.happened("later", "ProvisionStarted") == [ahead.at + 2.5 * A_SECOND]
        assert 1 < ahead.ticks()["later"] < 20


def break_what_is_due() -> None:
    def broken(pool: object, now_ms: int) -> None:
        raise AssertionError(f"a fault in a rule at {now_ms}")

    driving.patch("entitlements.domain.decide.let_due_happen", broken)


def test_a_pool_whose_time_cannot_advance_is_not_asked_for_ever(kafka: str, topic_prefix: str) -> None:
    settings = driving.settings_for(kafka, topic_prefix, partitions=1)
    with driving.engine(settings, prepare=break_what_is_due) as engine, Caller(settings) as caller:
        caller.call(open_pool("p"))  # The engine is at work: what begins soon begins after it was asked for.
        soon = now() + 2 * A_SECOND
        caller.call_all([provision("p", quota(5), starts_at=soon), open_pool("q"), provision("q", quota(5))])
        eventually(lambda: driving.quarantined(settings))
        time.sleep(1.0)
        assert caller.call(use("q", line())).is_accepted
        assert len(driving.quarantined(settings)) == 1
        assert engine.is_running
