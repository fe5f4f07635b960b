"""One partition: commands in, one frame out; frames in, state out."""

from __future__ import annotations

import hashlib
from itertools import count
from typing import Any

import pytest

from entitlements.domain.aggregate import EPOCH
from entitlements.domain.commands import Command
from entitlements.domain.errors import InvalidCommand, InvalidId, PoolIsElsewhere, QuotaIsExceeded, UnknownPool
from entitlements.examples import (
    NOON,
    NOON_MS,
    POOL,
    advance_clock,
    assign_workspace,
    define_entitlement_set,
    define_resource_key,
    end_provision,
    feature,
    issue_grant,
    limit,
    line,
    open_pool,
    provision_pool,
    quota,
    record_usage,
    record_usage_batch,
    suspend_pool,
)
from entitlements.ledger import partition as module
from entitlements.ledger.chain import ChainPosition, ChainReader, Verdict
from entitlements.ledger.frames import decode_plain_events, wire
from entitlements.ledger.outcomes import OUTCOME
from entitlements.ledger.partition import Batch, CannotBeDecided, LoggedCommand, Partition, results_of
from entitlements.ledger.partitioning import partition_of
from entitlements.ledger.records import name_of_command, shape_of
from entitlements.ledger.states import dump_state, load_state
from entitlements.settings import LINES_PER_COMMAND_MAX, RECORD_BYTES_MAX

DAY_MS = 86_400_000


def bytes_of(command: Command) -> bytes:
    return wire().encode_plain(name_of_command(command), shape_of(type(command)).to_record(command))


class Ledger:
    """A partition among so many, the log of its commands, and its frames."""

    def __init__(self, number: int = 0, partitions: int = 1) -> None:
        self.partition = Partition(number, partitions)
        self.chain = ChainReader(number, ChainPosition())
        self.frames: list[bytes] = []
        self.offsets = count(100)
        self.log_ms = NOON_MS

    def log(self, *values: Command | bytes | None) -> list[LoggedCommand]:
        raw = [bytes_of(value) if isinstance(value, Command) else value for value in values]
        return [LoggedCommand(next(self.offsets), self.log_ms, value) for value in raw]

    def decide(self, *values: Command | bytes | None, poison: frozenset[int] = frozenset()) -> Batch:
        """Decide all in one frame, write it and read it back."""
        batch = self.partition.decide(self.log(*values), poison)
        value, digest = self.partition.to_frame(batch, "me")
        assert digest == hashlib.sha256(value).digest()
        assert self.chain.read(len(self.frames), value, digest) is Verdict.VALID
        self.frames.append(value)
        self.partition.position = self.chain.position
        return batch

    def events(self) -> list[tuple[str, dict[str, Any]]]:
        return decode_plain_events(self.frames[-1]).events

    def folded(self) -> Partition:
        """The partition as whoever takes over finds it."""
        folded, chain = Partition(self.partition.number, 1), ChainReader(self.partition.number, ChainPosition())
        for offset, value in enumerate(self.frames):
            chain.read(offset, value, hashlib.sha256(value).digest())
            folded.fold(value, chain.position)
        return folded


def states(partition: Partition) -> dict[str, bytes]:
    return {
        f"{kind}/{name}": dump_state(aggregate)
        for kind, of_kind in partition.aggregates.items()
        for name, aggregate in of_kind.items()
    }


def opened(**more: Any) -> Ledger:
    ledger = Ledger(**more)
    ledger.decide(open_pool(), provision_pool("p", quota("api_calls", 100), limit("seats", 5), feature("sso")))
    return ledger


# --- One frame -----------------------------------------------------------------------------------------------------------


def test_all_that_is_decided_about_a_batch_is_one_frame() -> None:
    ledger = Ledger()
    ledger.decide(define_resource_key("api_calls"), define_entitlement_set("free"), open_pool(), provision_pool("p"))
    body = decode_plain_events(ledger.frames[0])
    assert (body.first_command, body.last_command, body.decided_at, body.engine) == (100, 103, NOON_MS, "me")
    assert [name for name, _ in body.events] == [
        "ResourceKeyDefined", "EntitlementSetDefined", "PoolOpened", "ProvisionScheduled", "ProvisionStarted",
        "EntitlementsChanged",
    ]  # fmt: skip
    assert body.refusals == []


def test_usage_of_a_pool_of_another_organization_is_refused_by_the_short_way_too() -> None:
    ledger, of_rival = opened(), {"caller_organization_id": "rival", "caller": "me"}
    plain, many = record_usage(line("api_calls", 60), **of_rival), record_usage_batch(line("seats", 1), **of_rival)
    results = [result for _, result in results_of(ledger.decide(plain, many))]
    assert [result["code"] for result in results] == ["unknown_pool", "unknown_pool"]
    assert results[1]["refused_lines"] == [{"index": 0, "code": "unknown_pool", "remaining": -1}]
    assert ledger.events() == []
    ledger.decide(record_usage(line("api_calls", 60), caller_organization_id="acme"))
    assert [name for name, _ in ledger.events()] == ["UsageRecorded"]


def test_frames_follow_on_each_other_without_a_gap_though_offsets_have_some() -> None:
    ledger = opened()
    next(ledger.offsets)
    ledger.decide(suspend_pool())
    body = decode_plain_events(ledger.frames[1])
    assert (body.first_command, body.last_command) == (102, 103)


def test_usage_of_one_pool_in_one_frame_is_one_event_of_each_kind() -> None:
    ledger = opened()
    ledger.decide(
        record_usage(line("api_calls", 60)),
        record_usage(line("unheard_of")),
        record_usage_batch(line("api_calls", 3), line("seats", 1)),
        record_usage(line("api_calls", 7)),
    )
    (recorded_name, recorded), (refused_name, refused) = ledger.events()
    assert (recorded_name, [at["quantity"] for at in recorded["lines"]]) == ("UsageRecorded", [60, 3, 1, 7])
    assert (refused_name, [at["resource_key"] for at in refused["lines"]]) == ("UsageRefused", ["unheard_of"])
    assert {total["resource_key"]: total["consumed"] for total in recorded["totals"]} == {"api_calls": 70, "seats": 1}


def test_a_refused_command_is_told_in_the_frame() -> None:
    ledger = Ledger()
    ledger.decide(suspend_pool(command_id="c-1", pool_id="nobody"))
    body = decode_plain_events(ledger.frames[0])
    assert body.events == []
    assert body.refusals == [
        {
            "offset": 100,
            "command_id": "c-1",
            "aggregate_id": "nobody",
            "code": "unknown_pool",
            "message": "No such pool: nobody.",
        }
    ]


def test_a_batch_without_effect_still_moves_the_chain() -> None:
    ledger = opened()
    ledger.decide(open_pool())
    assert ledger.events() == []
    assert ledger.partition.position.last_command == 102


# --- Fold ----------------------------------------------------------------------------------------------------------------


def a_life() -> Ledger:
    ledger = opened()
    ledger.decide(
        define_resource_key("api_calls"),
        define_entitlement_set("free"),
        assign_workspace("berlin", idempotency_key="k"),
        record_usage(line("api_calls", 90, usage_id="u"), line("seats", 6), line("seats", 4, workspace_id="berlin")),
    )
    ledger.log_ms += 2 * DAY_MS
    ledger.decide(
        issue_grant("g", quota("api_calls", 50), ends_at=NOON.replace(day=9)), record_usage(line("api_calls", 120))
    )
    ledger.log_ms += 9 * DAY_MS
    ledger.decide(record_usage_batch(line("api_calls", 2), source="gateway", sequence=4), advance_clock())
    return ledger


def test_folding_the_frames_gives_the_state_that_wrote_them() -> None:
    ledger = a_life()
    folded = ledger.folded()
    assert states(folded) == states(ledger.partition)
    assert folded.position == ledger.partition.position
    assert folded.count() == ledger.partition.count() == 3
    assert folded.count_events() == ledger.partition.count_events()


def test_whoever_takes_over_decides_as_the_one_before_would_have() -> None:
    ledger = a_life()
    live, taken_over = ledger.partition, ledger.folded()
    logged = ledger.log(record_usage(line("api_calls", 99)), record_usage(line("api_calls", 1)), suspend_pool())
    assert live.to_frame(live.decide(logged, frozenset()), "me") == taken_over.to_frame(
        taken_over.decide(logged, frozenset()), "me"
    )


def test_events_that_a_snapshot_holds_already_are_passed_over() -> None:
    ledger = a_life()
    restored = Partition(0, 1)
    for kind, of_kind in ledger.partition.aggregates.items():
        for aggregate in of_kind.values():
            restored.restore(kind, load_state(kind, dump_state(aggregate)))
    before = states(restored)
    for value in ledger.frames:
        restored.fold(value, ledger.partition.position)
    assert states(restored) == before == states(ledger.partition)


def test_folding_counts_the_events_that_the_versions_add_up_to() -> None:
    ledger = a_life()
    folded = Partition(0, 1)
    counted = sum(folded.fold(value, ledger.partition.position) for value in ledger.frames)
    assert counted == folded.count_events()


def test_whoever_takes_over_knows_the_last_numbered_batch_though_an_earlier_one_was_refused_in_the_same_frame() -> None:
    ledger = opened()
    ledger.decide(
        record_usage_batch(line("unheard_of"), source="gateway", sequence=1),
        record_usage_batch(line("api_calls", 7), source="gateway", sequence=2),
    )
    assert [name for name, _ in ledger.events()] == ["UsageRecorded", "UsageRefused"]
    assert ledger.folded().aggregates["pool"][POOL].sources == {"gateway": 2}
    assert states(ledger.folded()) == states(ledger.partition)


def test_what_changed_since_a_snapshot_is_noted() -> None:
    ledger = opened()
    ledger.partition.dirty.clear()
    ledger.decide(open_pool(), define_resource_key("k"))
    assert ledger.partition.dirty == {("resource_key", "k")}


# --- What cannot be handled ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "not_framed"),
        (b"", "not_framed"),
        (b"hello world", "not_framed"),
        (b"\0\xff\xff\xff\xff", "unknown_schema_id"),
        (bytes_of(open_pool())[:-3], "undecodable"),
        (bytes_of(open_pool()) + b"\0", "undecodable"),
        (b"\0" * (RECORD_BYTES_MAX + 1), "oversize"),
        (bytes_of(record_usage())[:5] + b"\xff" * 40, "undecodable"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value or b'')} bytes",
)
def test_what_cannot_be_read_is_refused_goes_to_quarantine_and_stops_nothing(value: bytes | None, code: str) -> None:
    ledger = opened()
    batch = ledger.decide(record_usage(line("api_calls", 3)), value, record_usage(line("api_calls", 4)))
    assert [(index, why) for index, why, _ in batch.unreadable] == [(1, code)]
    body = decode_plain_events(ledger.frames[-1])
    assert [(refusal["offset"], refusal["code"]) for refusal in body.refusals] == [(103, code)]
    assert ledger.partition.aggregates["pool"][POOL].entitlements["api_calls"].consumed == 7


def test_an_event_among_the_commands_is_no_command() -> None:
    ledger = opened()
    event = {
        "originator_id": POOL,
        "originator_version": 1,
        "timestamp": 0,
        "command_id": "c",
        "reason": "",
        "actor": "",
    }
    batch = ledger.decide(wire().encode_plain("entitlements.events.PoolSuspended", event))
    assert [code for _, code, _ in batch.unreadable] == ["not_a_command"]
    assert ledger.partition.aggregates["pool"][POOL].status == "open"


@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize(
    ("command", "field"),
    [
        (provision_pool(), "starts_at"),
        (provision_pool(), "ends_at"),
        (open_pool(), "backfill_from"),
        (suspend_pool(), "effective_at"),
        (record_usage(idempotency_key="k"), "effective_at"),
        (record_usage_batch(), "effective_at"),
    ],
)
def test_an_instant_out_of_range_is_undecodable(command: Command, field: str, is_known: Any) -> None:
    record = shape_of(type(command)).to_record(command) | {field: 2**60}
    ledger = opened() if is_known else Ledger()
    batch = ledger.decide(wire().encode_plain(name_of_command(command), record))
    assert [code for _, code, _ in batch.unreadable] == ["undecodable"]


def test_usage_in_a_hurry_is_refused_for_an_instant_that_nobody_can_mean() -> None:
    """As for any other instant outside of a backfill; reading it costs nothing, so that usage stays quick."""
    record = shape_of(type(record_usage())).to_record(record_usage()) | {"effective_at": 2**60}
    ledger = opened()
    batch = ledger.decide(wire().encode_plain("entitlements.commands.RecordUsage", record))
    assert batch.unreadable == []
    assert ledger.partition.aggregates["pool"][POOL].entitlements["api_calls"].consumed == 0


def test_a_command_that_breaks_the_decision_is_named_and_passed_over_the_second_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    ledger = opened()
    logged = ledger.log(record_usage(), suspend_pool(), record_usage())
    with monkeypatch.context() as patched:
        patched.setattr(module, "decide", broken)
        with pytest.raises(CannotBeDecided) as caught:
            ledger.partition.decide(logged, frozenset())
    assert caught.value.offset == 103
    again = ledger.folded()
    batch = again.decide(logged, frozenset({103}))
    assert [(index, code) for index, code, _ in batch.unreadable] == [(1, "could_not_be_decided")]
    body = decode_plain_events(again.to_frame(batch, "me")[0])
    assert [name for name, _ in body.events] == ["UsageRecorded"]
    assert [refusal["code"] for refusal in body.refusals] == ["could_not_be_decided"]


def test_an_aggregate_of_another_partition_is_refused() -> None:
    number = partition_of(POOL, 6)
    wrong = Ledger((number + 1) % 6, 6)
    wrong.decide(
        open_pool(caller="me"), record_usage(caller="me"), record_usage_batch(caller="me"), define_resource_key(POOL)
    )
    codes = [refusal["code"] for refusal in decode_plain_events(wrong.frames[-1]).refusals]
    assert codes == [PoolIsElsewhere.code] * 4
    assert wrong.partition.count() == 0
    right = Ledger(number, 6)
    right.decide(open_pool())
    assert right.partition.count() == 1


@pytest.mark.parametrize("lines", [0, LINES_PER_COMMAND_MAX + 1])
def test_a_command_of_no_or_too_many_lines_is_refused_whole(lines: int) -> None:
    ledger = opened()
    usage = record_usage(lines=[line(quantity=1)] * lines, caller="me")
    groups: Any = [{"pool_id": POOL, "lines": [line(quantity=1)] * lines}]
    batch = ledger.decide(usage, record_usage_batch(groups=groups, caller="me"))
    assert [result["code"] for _, result in results_of(batch)] == [InvalidCommand.code] * 2
    assert ledger.events() == []


def test_a_numbered_batch_that_names_a_pool_twice_is_refused_for_it_would_count_once() -> None:
    ledger = opened()
    groups: Any = [{"pool_id": POOL, "lines": [line()]}, {"pool_id": POOL, "lines": [line()]}]
    numbered = record_usage_batch(groups=groups, source="gateway", sequence=1, caller="me")
    batch = ledger.decide(numbered, record_usage_batch(groups=groups, caller="me"))
    assert [result["status"] for _, result in results_of(batch)] == ["refused", "accepted"]
    assert ledger.partition.aggregates["pool"][POOL].entitlements["api_calls"].consumed == 2


# --- Answers -------------------------------------------------------------------------------------------------------------


def test_only_who_waits_is_answered_with_the_version_after_the_frame() -> None:
    ledger = Ledger()
    batch = ledger.decide(
        open_pool(command_id="1", caller="me"),
        assign_workspace("a", command_id="2"),
        assign_workspace("b", command_id="3", caller="you"),
    )
    results = results_of(batch)
    assert [
        (caller, result["command_id"], result["aggregate_id"], result["version"]) for caller, result in results
    ] == [
        ("me", "1", POOL, 3),
        ("you", "3", POOL, 3),
    ]


def test_every_answer_can_be_sent() -> None:
    ledger = opened()
    batch = ledger.decide(
        open_pool(caller="me"),
        record_usage(line("api_calls", 99), line("api_calls", 99), caller="me"),
        record_usage(line("api_calls", 99), caller="me"),
        record_usage_batch(line("api_calls", 1), caller="me"),
        end_provision("unheard-of", caller="me"),
    )
    results = [result for _, result in results_of(batch)]
    record = {"caller": "me", "partition": 0, "frame_offset": 1, "results": results}
    sent = wire().decode_plain(wire().encode_plain(OUTCOME, record)).record["results"]
    assert [result["status"] for result in sent] == ["accepted", "partial", "refused", "accepted", "refused"]
    assert sent[1]["refused_lines"] == [{"index": 1, "code": QuotaIsExceeded.code, "remaining": 1}]
    assert (sent[3]["aggregate_id"], sent[3]["version"]) == ("", -1)


def test_a_batch_of_many_pools_tells_which_line_of_all_was_refused_and_why() -> None:
    ledger = opened()
    groups: Any = [
        {"pool_id": POOL, "lines": [line("api_calls", 1), line("api_calls", 500)]},
        {"pool_id": "nobody", "lines": [line(), line()]},
        {"pool_id": "x" * 999, "lines": [line()]},
        {"pool_id": POOL, "lines": [line("api_calls", 1), line("unheard_of")]},
    ]
    batch = ledger.decide(record_usage_batch(groups=groups, caller="me"))
    ((_, result),) = results_of(batch)
    assert (result["status"], result["accepted_lines"]) == ("partial", 2)
    assert [(refused["index"], refused["code"]) for refused in result["refused_lines"]] == [
        (1, QuotaIsExceeded.code),
        (2, UnknownPool.code),
        (3, UnknownPool.code),
        (4, InvalidId.code),
        (6, "unknown_key"),
    ]
    told = decode_plain_events(ledger.frames[-1]).refusals
    assert [(refusal["aggregate_id"], refusal["code"]) for refusal in told] == [
        ("nobody", UnknownPool.code),
        ("x" * 128, InvalidId.code),
    ]


def test_a_repeat_hears_that_it_is_one() -> None:
    ledger = opened()
    keyed = assign_workspace("berlin", idempotency_key="k", caller="me")
    usage = record_usage(line(usage_id="u"), caller="me")
    numbered = record_usage_batch(source="gateway", sequence=1, caller="me")
    first = results_of(ledger.decide(keyed, usage, numbered))
    again = results_of(ledger.decide(keyed, usage, numbered))
    assert [result["repeated"] for _, result in first] == [False, False, False]
    assert [result["repeated"] for _, result in again] == [True, True, True]
    assert ledger.events() == []


def test_the_key_of_a_usage_command_counts_on_its_way_through_the_log() -> None:
    ledger = opened()
    keyed = record_usage(line("api_calls", 5), idempotency_key="k", caller="me")
    batch = ledger.decide(keyed, keyed)
    assert [(result["status"], result["repeated"]) for _, result in results_of(batch)] == [
        ("accepted", False),
        ("accepted", True),
    ]
    assert ledger.partition.aggregates["pool"][POOL].entitlements["api_calls"].consumed == 5


# --- What is due ---------------------------------------------------------------------------------------------------------


def test_a_pool_is_named_once_when_something_has_become_due() -> None:
    ledger = opened()
    ledger.decide(record_usage())
    assert ledger.partition.pools_due(NOON_MS, 10) == []
    assert ledger.partition.pools_due(NOON_MS + DAY_MS, 10) == [POOL]
    assert ledger.partition.pools_due(NOON_MS + DAY_MS, 10) == []
    ledger.partition.schedule_again(POOL)
    assert ledger.partition.pools_due(NOON_MS + DAY_MS, 10) == [POOL]


def test_a_pool_is_named_again_for_what_is_due_later() -> None:
    ledger = opened()
    ledger.decide(record_usage())
    ledger.partition.pools_due(NOON_MS + DAY_MS, 10)
    ledger.log_ms += DAY_MS
    ledger.decide(advance_clock(), record_usage())
    assert ledger.partition.pools_due(NOON_MS + 2 * DAY_MS, 10) == [POOL]


def test_an_end_moved_to_and_fro_is_due_once() -> None:
    ledger = opened()
    for day in (5, 6, 5, 6, 5):
        ledger.decide(end_provision("p", ends_at=NOON.replace(day=day)))
    assert ledger.partition.pools_due(NOON_MS + 30 * DAY_MS, 10) == [POOL]
    assert ledger.partition.pools_due(NOON_MS + 30 * DAY_MS, 10) == []


def test_a_ticker_whose_clock_is_ahead_of_the_logs_asks_again() -> None:
    ledger = opened()
    ledger.decide(record_usage())
    ledger.log_ms += DAY_MS // 2 - 1  # The broker stamps what it gets a millisecond too early.
    assert ledger.partition.pools_due(ledger.log_ms + 1, 10) == [POOL]
    ledger.decide(advance_clock())
    assert ledger.events() == []
    assert ledger.partition.pools_due(ledger.log_ms + 1, 10) == [POOL]
    ledger.log_ms += 1
    ledger.decide(advance_clock())
    assert [name for name, _ in ledger.events()] == ["QuotaReset"]
    assert ledger.partition.pools_due(ledger.log_ms + DAY_MS, 10) == []


def test_pools_due_are_named_a_bounded_number_at_a_time_soonest_first() -> None:
    ledger = Ledger()
    for day, pool_id in ((7, "c"), (5, "a"), (6, "b")):
        ledger.decide(open_pool(pool_id=pool_id), provision_pool("p", pool_id=pool_id, ends_at=NOON.replace(day=day)))
    assert ledger.partition.pools_due(NOON_MS + 30 * DAY_MS, 2) == ["a", "b"]
    assert ledger.partition.pools_due(NOON_MS + 30 * DAY_MS, 2) == ["c"]


def test_a_pool_in_backfill_is_not_due_until_that_has_ended() -> None:
    ledger = Ledger()
    past = NOON.replace(year=2020)
    ledger.decide(
        open_pool(backfill_from=past), provision_pool("p", effective_at=past, ends_at=NOON.replace(year=2021))
    )
    assert ledger.partition.pools_due(NOON_MS, 10) == []
    ledger.decide(provision_pool("q", feature("sso"), ends_at=NOON.replace(day=9)))
    assert ledger.partition.pools_due(NOON_MS + 30 * DAY_MS, 10) == [POOL]


def test_whoever_takes_over_knows_what_is_due() -> None:
    ledger = opened()
    ledger.decide(record_usage())
    assert ledger.folded().pools_due(NOON_MS + DAY_MS, 10) == [POOL]
    restored = Partition(0, 1)
    restored.restore("pool", load_state("pool", dump_state(ledger.partition.aggregates["pool"][POOL])))
    assert restored.pools_due(NOON_MS + DAY_MS, 10) == [POOL]


def test_the_log_may_begin_at_the_epoch() -> None:
    ledger = Ledger()
    ledger.log_ms = 0
    ledger.decide(open_pool(backfill_from=EPOCH), provision_pool("p", effective_at=EPOCH))
    assert ledger.partition.count() == 1
