"""Which events of a frame followed from which traced command."""

from __future__ import annotations

from entitlements.domain.commands import Command
from entitlements.examples import line, open_pool, provision_pool, quota, record_usage, record_usage_batch, suspend_pool
from entitlements.ledger.causes import Causes
from entitlements.ledger.frames import decode_plain_events, wire
from entitlements.ledger.partition import LoggedCommand, Partition
from entitlements.ledger.records import name_of_command, shape_of

NOON_MS = 1_767_268_800_000


def caused(*commands: Command, traced: set[int]) -> list[tuple[str, list[int]]]:
    """The events of one frame that follow from traced commands: short names, and the places of the commands."""
    partition, causes = Partition(0, 1), Causes(traced)
    logged = [
        LoggedCommand(offset, NOON_MS, wire().encode_plain(name_of_command(each), shape_of(type(each)).to_record(each)))
        for offset, each in enumerate(commands)
    ]
    value, _ = partition.to_frame(partition.decide(logged, frozenset(), causes), "me")
    names = [name for name, _ in decode_plain_events(value).events]
    found: dict[int, list[int]] = {}
    for place, offset in causes.found:
        found.setdefault(place, []).append(offset)
    return [(names[place], offsets) for place, offsets in found.items()]


CALLS = (open_pool(), provision_pool("p", quota("api_calls", 10)))


def test_an_event_follows_from_its_command_and_from_no_other() -> None:
    found = caused(*CALLS, suspend_pool(), traced={0, 2})
    assert found == [("PoolOpened", [0]), ("PoolSuspended", [2]), ("EntitlementsChanged", [2])]


def test_an_event_of_usage_follows_from_every_command_whose_lines_it_has() -> None:
    calls = [record_usage(line("api_calls", 1)) for _ in range(3)]
    assert caused(*CALLS, *calls, traced={2, 4}) == [("UsageRecorded", [2, 4])]


def test_recorded_and_refused_lines_of_one_command_are_two_events_of_it() -> None:
    usage = record_usage(line("api_calls", 1), line("nothing", 1, mode="strict"))
    assert caused(*CALLS, usage, traced={2}) == [("UsageRecorded", [2]), ("UsageRefused", [2])]


def test_usage_that_another_actor_sends_is_an_event_of_its_own() -> None:
    one, two = (record_usage(line("api_calls", 1), actor=actor) for actor in ("ann", "bob"))
    assert caused(*CALLS, one, two, traced={2, 3}) == [("UsageRecorded", [2]), ("UsageRecorded", [3])]
    assert caused(*CALLS, one, two, traced={3}) == [("UsageRecorded", [3])]


def test_a_batch_is_the_cause_in_every_pool_that_it_names() -> None:
    batch = record_usage_batch(line("api_calls", 1))
    assert caused(*CALLS, batch, traced={2}) == [("UsageRecorded", [2])]


def test_a_refused_command_and_one_without_a_trace_cause_nothing() -> None:
    assert caused(suspend_pool(pool_id="nobody"), *CALLS, traced={0}) == []
    assert caused(*CALLS, traced=set()) == []
