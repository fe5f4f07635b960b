"""How fast a ledger of usage is folded into the state, and what a pool costs that nobody uses. No broker, one thread.

The ledger is frames of 1 to 500 events over 2,000 pools: of one line each, of one line with a usage id (as usage over HTTP has
them), and of 100 lines. An idle pool is opened, provisioned with two rules and assigned to one customer, then restored from
its snapshot, as whoever takes over a partition does.
"""

from __future__ import annotations

import gc
import hashlib
import random
import time
import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from bench import work
from bench.place import Place
from entitlements.domain.commands import AssignWorkspace, Command, RecordUsage
from entitlements.domain.values import UsageLine
from entitlements.ledger.caller import new_id
from entitlements.ledger.chain import ChainPosition, ChainReader
from entitlements.ledger.frames import wire
from entitlements.ledger.partition import LoggedCommand, Partition
from entitlements.ledger.records import name_of_command, shape_of
from entitlements.ledger.states import dump_state, load_state

START_MS: Final = 1_772_452_800_000
POOLS: Final = 2_000
IDLE_POOLS: Final = 10_000
EVENTS: Final = 40_000
#: Events a frame, in turn.
FRAMES: Final = (1, 5, 20, 100, 500)


def measure(place: Place) -> dict[str, float]:
    """Events and lines per second, the middle of the rounds; and bytes a pool."""
    gc.collect()
    gc.set_threshold(100_000, 50, 1_000)  # As the engine does.
    place.say("makes ledgers of usage")
    ledgers = {
        "fold_events_per_s": (_ledger(place.sized(EVENTS), 1, has_ids=False), 1),
        "fold_events_per_s_with_ids": (_ledger(place.sized(EVENTS), 1, has_ids=True), 1),
        "fold_lines_per_s": (_ledger(place.sized(EVENTS // 20), work.LINES_A_BATCH, has_ids=False), work.LINES_A_BATCH),
    }
    found: dict[str, list[float]] = {name: [] for name in ledgers}
    for _ in range(max(3, place.rounds)):
        for name, (ledger, lines) in ledgers.items():
            place.say(f"folds {name}")
            found[name].append(lines * ledger.events_per_s())
    middles = {name: sorted(rates)[len(rates) // 2] for name, rates in found.items()}
    return middles | {"idle_pool_bytes": idle_pool_bytes(place.sized(IDLE_POOLS))}


@dataclass
class _Ledger:
    """The frames that one engine wrote; those before `opened` open the pools and begin their periods."""

    partition: Partition = field(default_factory=lambda: Partition(0, 1))
    chain: ChainReader = field(default_factory=lambda: ChainReader(0, ChainPosition()))
    frames: list[tuple[bytes, ChainPosition]] = field(default_factory=list)
    opened: int = 0
    _logged: int = 0

    def decide(self, many: Iterable[Command]) -> None:
        at_ms = START_MS + 7 * len(self.frames)
        logged = [LoggedCommand(self._logged + at, at_ms, _bytes_of(command)) for at, command in enumerate(many)]
        self._logged += len(logged)
        value, _ = self.partition.to_frame(self.partition.decide(logged, frozenset()), "bench")
        self.chain.read(len(self.frames), value, hashlib.sha256(value).digest())
        self.partition.position = self.chain.position
        self.frames.append((value, self.chain.position))

    def events_per_s(self) -> float:
        """Fold it all; only what comes after the opening is timed."""
        partition, events = Partition(0, 1), 0
        for value, position in self.frames[: self.opened]:
            partition.fold(value, position)
        gc.collect()
        began = time.process_time()
        for value, position in self.frames[self.opened :]:
            events += partition.fold(value, position)
        return events / (time.process_time() - began)


def _ledger(events: int, lines: int, *, has_ids: bool) -> _Ledger:
    ledger, chance, pools, size = _Ledger(), random.Random(1), work.pool_ids(POOLS), 0
    for command in work.openings(pools):
        ledger.decide([command])
    ledger.decide(_usage(pool_id, [work.line(1)]) for pool_id in pools)
    ledger.opened = len(ledger.frames)
    while events > 0:
        many = min(events, FRAMES[size % len(FRAMES)])
        ledger.decide(
            _usage(pool_id, [_line(chance.randint(1, 9), has_id=has_ids) for _ in range(lines)])
            for pool_id in chance.sample(pools, many)
        )
        events, size = events - many, size + 1
    return ledger


def _line(quantity: int, *, has_id: bool) -> UsageLine:
    line = work.line(quantity)
    return {**line, "usage_id": new_id()} if has_id else line


def _usage(pool_id: str, lines: list[UsageLine]) -> Command:
    return RecordUsage(command_id=new_id(), pool_id=pool_id, lines=lines)


def _bytes_of(command: Command) -> bytes:
    return wire().encode_plain(name_of_command(command), shape_of(type(command)).to_record(command))


def idle_pool_bytes(count: int) -> float:
    """Bytes of memory for each pool that was restored."""
    states = list(_idle_states(count))
    gc.collect()
    tracemalloc.start()
    restored = Partition(0, 1)
    for state in states:
        restored.restore("pool", load_state("pool", state))
    gc.collect()
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / restored.count()


def _idle_states(count: int) -> Iterable[bytes]:
    ledger, rules = _Ledger(), [work.RULE, replace(work.RULE, resource_key="seats", rule_type="limit", period=None)]
    for at, command in enumerate(work.openings(work.pool_ids(count))):
        many: list[Command] = [command]
        if at % 2:  # It is the one that provisions.
            many = [replace(command, rules=rules), _assigned(command.pool_id, at)]  # type: ignore[attr-defined, call-arg]
        ledger.decide(many)
    return map(dump_state, ledger.partition.aggregates["pool"].values())


def _assigned(pool_id: str, number: int) -> Command:
    return AssignWorkspace(command_id=new_id(), pool_id=pool_id, workspace_id=f"customer-{number:06d}", role="primary")
