"""A ledger for tests and measurements: real decisions, real frames, a real chain, without a broker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random
from typing import Any

from entitlements.domain import commands as asks
from entitlements.domain.aggregate import from_ms
from entitlements.domain.pools import ResourcePool
from entitlements.domain.values import Rule
from entitlements.ledger import records
from entitlements.ledger.chain import ChainPosition
from entitlements.ledger.frames import read_head, wire
from entitlements.ledger.partition import LoggedCommand, Partition
from entitlements.ledger.partitioning import partition_of
from entitlements.ledger.tail import LedgerFrame
from entitlements_projections.database import Connection
from entitlements_projections.projector import projected
from entitlements_projections.testing_definitions import random_definition
from entitlements_projections.testing_governance import random_governance
from entitlements_projections.testing_terms import MONTHLY, RECURRING, Terms, more_rules_of
from entitlements_projections.writing import Writer


class SyntheticLedger:
    """Decides commands by the real rules; each call of `ask` appends one frame to each partition concerned."""

    def __init__(self, partitions: int = 3) -> None:
        self._partitions = [Partition(number, partitions) for number in range(partitions)]
        #: The frames of each partition, in order; a frame's offset is its index.
        self.streams: dict[int, list[LedgerFrame]] = {number: [] for number in range(partitions)}

    def ask(self, at_ms: int, *commands: asks.Command) -> list[LedgerFrame]:
        """Decide commands at an instant of the log, in order. Refusals leave their mark in the frame, as always."""
        by_partition: dict[int, list[bytes]] = {}
        for command in commands:
            number = partition_of(asks.address_of(command)[1], len(self._partitions))
            by_partition.setdefault(number, []).append(encoded(command))
        return [self._append(self._partitions[number], at_ms, some) for number, some in by_partition.items()]

    def ask_as_written(self, at_ms: int, partition: int, *values: bytes) -> LedgerFrame:
        """Decide what stands in the log of a partition, whatever it is."""
        return self._append(self._partitions[partition], at_ms, values)

    def pool(self, pool_id: str) -> ResourcePool | None:
        """A pool as it was decided; None: it was never opened. To look at, not to change."""
        partition = self._partitions[partition_of(pool_id, len(self._partitions))]
        found = partition.aggregates["pool"].get(pool_id)
        assert found is None or isinstance(found, ResourcePool)
        return found

    def _append(self, partition: Partition, at_ms: int, values: Sequence[bytes]) -> LedgerFrame:
        first = partition.position.last_command + 1
        logged = [LoggedCommand(offset, at_ms, value) for offset, value in enumerate(values, first)]
        batch = partition.decide(logged, frozenset())
        value, digest = partition.to_frame(batch, "synthetic")
        offset = partition.position.offset + 1
        partition.position = ChainPosition(offset, batch.last_command, digest)
        head = read_head(value)
        assert head is not None, "a frame has a head"
        frame = LedgerFrame(partition.number, offset, value, head, partition.position)
        self.streams[partition.number].append(frame)
        return frame

    def interleaved(self, random: Random, batch_frames_max: int) -> Iterator[list[LedgerFrame]]:
        """All frames in batches of random size, each partition's in order, the partitions mixed at random."""
        rest = {number: list(frames) for number, frames in self.streams.items() if frames}
        while rest:
            batch: list[LedgerFrame] = []
            for _ in range(random.randint(1, batch_frames_max)):
                if not rest:
                    break
                number = random.choice(sorted(rest))
                batch.append(rest[number].pop(0))
                if not rest[number]:
                    del rest[number]
            yield batch


def encoded(command: asks.Command) -> bytes:
    """What stands in the log for a command."""
    kind: type = type(command)
    return wire().encode_plain(records.name_of_command(command), records.shape_of(kind).to_record(command))


QUOTA = "api_calls"
LIMIT = "seats"
FEATURE = "premium_analytics"


def rules_of(amount: int) -> list[Rule]:
    """A feature, a limit and a daily quota that warns at 80 %."""
    return [
        Rule(resource_key=FEATURE, rule_type="boolean", stacking="any"),
        Rule(resource_key=LIMIT, rule_type="limit", amount=5, stacking="sum", per_unit=True),
        Rule(
            resource_key=QUOTA,
            rule_type="quota",
            amount=amount,
            soft_limit=amount * 8 // 10,
            period="day",
            stacking="sum",
        ),
    ]


def usage_line(key: str, quantity: int = 1, **more: Any) -> Any:
    """A line of usage as it is reported."""
    line = {"resource_key": key, "quantity": quantity, "mode": "strict", "occurred_at": 0}
    return line | {"workspace_id": "", "usage_id": "", "subject_id": ""} | more


def random_history(ledger: SyntheticLedger, random: Random, commands: int, pools: int = 6) -> None:
    """Fill a ledger with whatever can happen to a few pools over some days; refusals among it."""
    names = [f"pool-{n}" for n in range(pools)]
    at_ms = AT_MS
    for place, command in enumerate(_opening(names)):
        ledger.ask(at_ms + place, command)
    for number in range(commands):
        at_ms += random.choice((1, 1_000, 60_000, 3_600_000, 20_000_000))
        asked = [
            _random_command(random, random.choice(names), f"c{number}-{n}", at_ms) for n in range(random.randint(1, 4))
        ]
        if random.random() < 0.3:
            asked.append(random_governance(random, f"g{number}", at_ms, rules_of(random.randint(1, 9))))
        ledger.ask(at_ms, *asked)


def _opening(names: Iterable[str]) -> Iterator[asks.Command]:
    for number, name in enumerate(names):
        backfill_from = from_ms(1_735_689_600_000) if number % 3 == 2 else None
        yield asks.OpenPool(
            command_id=f"open-{name}", pool_id=name, organization_id="acme", billing_account_id="bill-acme",
            name=name.title(), backfill_from=backfill_from, actor="ops",
        )  # fmt: skip
        yield _provision(name, f"open-provision-{name}", "free", 1, 10, None)
    for key, data_type in ((QUOTA, "integer"), (LIMIT, "integer"), (FEATURE, "boolean")):
        # Last, so that other partitions have used the keys before they are defined.
        yield asks.DefineResourceKey(command_id=f"key-{key}", resource_key=key, name=key, data_type=data_type)  # type: ignore[arg-type]


def _provision(pool_id: str, provision_id: str, plan: str, rung: int, amount: int, ends_ms: int | None) -> asks.Command:
    return asks.ProvisionPool(
        command_id=f"c-{provision_id}", pool_id=pool_id, provision_id=provision_id, source="subscription",
        source_id=f"sub-{provision_id}", set_id=plan, set_version=1, ladder="plans", rung=rung, quantity=rung,
        rules=rules_of(amount), ends_at=None if ends_ms is None else from_ms(ends_ms), actor="billing",
    )  # fmt: skip


def _random_command(random: Random, pool_id: str, unique: str, at_ms: int) -> asks.Command:  # noqa: C901, PLR0911, PLR0912 - a list.
    base: dict[str, Any] = {"command_id": unique, "pool_id": pool_id, "actor": "somebody"}
    base["idempotency_key"] = random.choice((None, None, unique))
    if pool_id == "pool-2":  # Stays in backfill; pool-5 leaves it with its first command.
        base["effective_at"] = from_ms(at_ms - 31_536_000_000)
    workspace_id = f"ws-{random.randint(0, 4)}"
    provision_id = f"open-provision-{pool_id}" if random.random() < 0.5 else f"p-{random.randint(0, 9)}"
    later_ms = at_ms + random.choice((1, 3_600_000, 200_000_000))
    rules = [rule for rule in rules_of(random.randint(1, 20)) if rule.resource_key != QUOTA]
    rules += more_rules_of(random.randint(1, 20), QUOTA)
    match random.randint(0, 43):
        case number if number > 21:
            present_ms = at_ms - 31_536_000_000 if "effective_at" in base else at_ms
            return Terms(random, base, present_ms, (QUOTA, QUOTA, LIMIT, MONTHLY, RECURRING, FEATURE), rules).command()
        case 0:
            return asks.SuspendPool(reason="unpaid", **base)
        case 1 | 2:
            return asks.ResumePool(reason="paid", **base)
        case 3:
            return asks.EndProvision(provision_id=provision_id, when="now", **base)
        case 4:
            if at_ms % 3 == 0:
                return asks.UncancelProvision(provision_id=provision_id, reason="stays", **base)
            at = from_ms(later_ms)
            return asks.EndProvision(provision_id=provision_id, when="at", ends_at=at, reason="notice", **base)
        case 5:
            return asks.SuspendProvision(provision_id=provision_id, reason="dispute", **base)
        case 6:
            return asks.ResumeProvision(provision_id=provision_id, **base)
        case 7 | 8:
            return _provision(
                pool_id, f"p-{random.randint(0, 9)}", "pro", 2, random.randint(5, 40), random.choice((None, later_ms))
            )
        case 9 | 10:
            ends_at = random.choice((None, from_ms(later_ms)))
            grant_id = f"g-{random.randint(0, 9)}"
            return asks.IssueGrant(
                grant_id=grant_id, reason="sorry", set_id="gift", set_version=1, rules=rules, ends_at=ends_at, **base
            )
        case 11:
            return asks.RevokeGrant(grant_id=f"g-{random.randint(0, 9)}", reason="mistake", **base)
        case 12 | 13:
            return asks.AssignWorkspace(workspace_id=workspace_id, role=random.choice(("primary", "secondary")), **base)
        case 14:
            return asks.UnassignWorkspace(workspace_id=workspace_id, reason="left", **base)
        case 15:
            return asks.ReleaseUsage(resource_key=LIMIT, quantity=random.randint(1, 3), **base)
        case 16 if random.random() < 0.05:
            return asks.ClosePool(reason="churned", **base)
        case 17 | 18:
            return random_definition(random, unique, rules_of(random.randint(1, 9)), at_ms)
        case _:
            lines = [_random_line(random, at_ms) for _ in range(random.randint(1, 8))]
            return asks.RecordUsage(lines=lines, **base)


def _random_line(random: Random, at_ms: int) -> Any:
    return usage_line(
        random.choice((QUOTA, QUOTA, LIMIT, FEATURE, MONTHLY, RECURRING, "unknown_key")),
        random.choice((1, 1, 2, 7)),
        mode=random.choice(("strict", "report")),
        occurred_at=random.choice((0, 0, at_ms - 90_000_000, at_ms - 3_000_000_000)),
        usage_id=random.choice(("", "", f"u-{random.randint(0, 9)}")),
        workspace_id=random.choice(("", "", "ws-0", "ws-1")),
        subject_id=random.choice(("", "", "alice")),
    )


# --- A small history that is easy to follow --------------------------------------------------------------------------

#: The instant at which it begins: 2026-01-01.
AT_MS = 1_767_225_600_000


def pool_with_a_plan(
    ledger: SyntheticLedger, pool_id: str = "pool", at_ms: int = AT_MS, organization_id: str = "acme"
) -> None:
    """Open a pool with a plan of 50 calls a day and assign the workspace "ws" to it."""
    ledger.ask(
        at_ms,
        asks.OpenPool(
            command_id="o", pool_id=pool_id, organization_id=organization_id, billing_account_id="bill", name="Pool"
        ),
        asks.ProvisionPool(
            command_id="p",
            pool_id=pool_id,
            provision_id="pro-1",
            source="subscription",
            set_id="pro",
            set_version=1,
            ladder="plans",
            rung=2,
            rules=rules_of(50),
        ),
        asks.AssignWorkspace(command_id="a", pool_id=pool_id, workspace_id="ws", role="primary"),
    )


def use(pool_id: str, *lines: Any) -> asks.RecordUsage:
    """Ask to record lines of usage."""
    return asks.RecordUsage(command_id="u", pool_id=pool_id, lines=list(lines))


def write(connection: Connection, *batches: list[LedgerFrame]) -> None:
    """Write batches of frames as a projector does."""
    writer = Writer(connection)
    for batch in batches:
        writer.write([projected(frame) for frame in batch])


def all_frames(ledger: SyntheticLedger) -> list[LedgerFrame]:
    """The frames of all partitions, one partition after the other."""
    return [frame for stream in ledger.streams.values() for frame in stream]
