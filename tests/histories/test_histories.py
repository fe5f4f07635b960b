"""Streams of yesterday, replayed by the code of today: each leads to the state recorded beside it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from recording import described_all

from entitlements.ledger.chain import ChainPosition, ChainReader, Verdict
from entitlements.ledger.frames import decode_events, decode_plain_events
from entitlements.ledger.partition import Partition
from entitlements.ledger.records import EVENTS

HERE = Path(__file__).parent
HISTORIES = sorted(HERE.glob("*.jsonl"))


def valid_frames(history: Path) -> list[tuple[bytes, ChainPosition]]:
    chain, frames = ChainReader(0, ChainPosition()), []
    for offset, text in enumerate(history.read_text().splitlines()):
        record = json.loads(text)
        value = bytes.fromhex(record["value"])
        if chain.read(offset, value, bytes.fromhex(record["sha256"])) is Verdict.VALID:
            frames.append((value, chain.position))
    return frames


def as_far_as_told(actual: Any, told: Any) -> Any:
    """The actual state without what was not written down when the history was recorded."""
    if isinstance(told, dict) and isinstance(actual, dict):
        return {key: as_far_as_told(actual.get(key), value) for key, value in told.items()}
    return actual


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.stem)
def test_a_recorded_history_leads_to_the_state_recorded_beside_it(history: Path) -> None:
    partition = Partition(0, 1)
    for value, position in valid_frames(history):
        partition.fold(value, position)
    told = json.loads(history.with_suffix(".json").read_text())
    actual = described_all(partition.aggregates)
    assert set(actual) == set(told)
    assert as_far_as_told(actual, told) == told


@pytest.mark.parametrize("history", HISTORIES, ids=lambda history: history.stem)
def test_a_recorded_history_is_read_the_same_with_and_without_instants(history: Path) -> None:
    for value, _ in valid_frames(history):
        plain, whole = decode_plain_events(value), decode_events(value)
        assert [name for name, _ in plain.events] == [name for name, _ in whole.events]
        assert plain.refusals == whole.refusals


def test_histories_hold_every_event_and_some_rivals() -> None:
    seen: Counter[str] = Counter()
    dropped = 0
    for history in HISTORIES:
        frames = valid_frames(history)
        dropped += len(history.read_text().splitlines()) - len(frames)
        seen.update(f"entitlements.events.{name}" for value, _ in frames for name, _ in decode_events(value).events)
    assert set(seen) == set(EVENTS)
    assert dropped > 0


#: Of every history ever recorded: they are only ever added to, never changed.
RECORDED = {
    "2026-11-keys-of-all.json": "7028dc6865435880",
    "2026-11-keys-of-all.jsonl": "35bdf77b8d134078",
    "2026-11-whole-domain.json": "ddd546990f07165e",
    "2026-11-whole-domain.jsonl": "e831dc55e2968d92",
}


def test_no_recorded_history_was_changed_or_removed() -> None:
    now = {
        file.name: hashlib.sha256(file.read_bytes()).hexdigest()[:16]
        for history in HISTORIES
        for file in (history, history.with_suffix(".json"))
    }
    assert now == RECORDED
