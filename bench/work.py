"""The commands that are measured, and how they get onto the log."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any, Final

from entitlements.domain import commands
from entitlements.domain.commands import Command, address_of
from entitlements.domain.values import Rule, UsageLine
from entitlements.ledger import clients
from entitlements.ledger.caller import by_partition, new_id
from entitlements.ledger.frames import wire
from entitlements.ledger.partitioning import partition_of
from entitlements.ledger.records import name_of_command, shape_of
from entitlements.settings import Settings

KEY: Final = "api_calls"
POOLS: Final = 10_000
LINES_A_BATCH: Final = 100
#: A month, because a day may end while we measure; so large that every line is accepted.
RULE: Final = Rule(resource_key=KEY, rule_type="quota", amount=2**50, period="month", stacking="sum")
#: Those who wait for the outcomes: as many as an installation has API processes.
CALLERS: Final = tuple(f"caller-{number:032d}" for number in range(4))


def pool_ids(count: int = POOLS) -> list[str]:
    """The pools' ids."""
    return [f"pool-{number:05d}" for number in range(count)]


def openings(pools: Iterable[str]) -> Iterator[Command]:
    """Open every pool and provision it."""
    for pool_id in pools:
        yield commands.OpenPool(command_id=new_id(), pool_id=pool_id, organization_id="org-1")
        yield commands.ProvisionPool(
            command_id=new_id(),
            pool_id=pool_id,
            provision_id="subscription-1",
            source="subscription",
            set_id="pro",
            set_version=1,
            rules=[RULE],
        )


def line(quantity: int) -> UsageLine:
    """A strict line."""
    return {
        "resource_key": KEY,
        "quantity": quantity,
        "mode": "strict",
        "occurred_at": 0,
        "workspace_id": "",
        "usage_id": "",
        "subject_id": "",
    }


def single_lines(pools: list[str], count: int, chance: random.Random) -> Iterator[tuple[Command, int]]:
    """Commands of one line each, with the quantity."""
    for number in range(count):
        quantity = chance.randint(1, 9)
        yield _usage(chance.choice(pools), [line(quantity)], number), quantity


def hot_batches(pool_id: str, count: int, chance: random.Random) -> Iterator[tuple[Command, int]]:
    """Commands of 100 lines of one pool."""
    for number in range(count):
        quantities = [chance.randint(1, 9) for _ in range(LINES_A_BATCH)]
        yield _usage(pool_id, [line(quantity) for quantity in quantities], number), sum(quantities)


def wide_batches(pools: list[str], partitions: int, count: int, chance: random.Random) -> Iterator[tuple[Command, int]]:
    """Batches of 100 lines, each line of another pool: the hardest case, since nothing is grouped beforehand."""
    located = list(by_partition(pools, partitions).values())
    for number in range(count):
        quantities = [chance.randint(1, 9) for _ in range(LINES_A_BATCH)]
        chosen = chance.sample(located[number % len(located)], LINES_A_BATCH)
        yield (
            commands.RecordUsageBatch(
                command_id=new_id(),
                caller=CALLERS[number % len(CALLERS)],
                groups=[{"pool_id": p, "lines": [line(q)]} for p, q in zip(chosen, quantities, strict=True)],
            ),
            sum(quantities),
        )


def _usage(pool_id: str, lines: list[UsageLine], number: int) -> Command:
    caller = CALLERS[number % len(CALLERS)]
    return commands.RecordUsage(command_id=new_id(), caller=caller, pool_id=pool_id, lines=lines)


def load(settings: Settings, many: Iterable[Command]) -> None:
    """Put commands on the log and wait until they are there."""
    producer = clients.producer(settings, **{"linger.ms": 20})
    topic = settings.topic("commands")
    for command in many:
        _, key = address_of(command)
        record: dict[str, Any] = shape_of(type(command)).to_record(command)
        value = wire().encode_plain(name_of_command(command), record)
        while True:
            try:
                producer.produce(topic, value, key=key, partition=partition_of(key, settings.partitions))
                break
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    left = producer.flush(60)
    assert left == 0, f"{left} commands did not reach the log"
