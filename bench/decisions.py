"""What one decision about a line of usage costs, and how that grows. Rules only: no broker, no encoding, one thread.

A pool has so many provisions, each confers so many keys (monthly quotas that add up), and so many reservations are held.
Batches of 100 lines, spread over the keys, are decided and sealed into events as the engine does it. `decide_usage_line_us`
is the pool of the issue: 10 provisions, 20 keys. The others change one thing at a time, so that the growth can be read off;
`careful` are lines with an id, a member and a cap, which cannot take the short way.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from bench.place import Place
from entitlements.domain import usage_commands
from entitlements.domain.aggregate import from_ms
from entitlements.domain.commands import AssignWorkspace, OpenPool, ProvisionPool
from entitlements.domain.decide import decide, record_usage
from entitlements.domain.plan_commands import CapMember
from entitlements.domain.pools import ResourcePool
from entitlements.domain.values import Rule, UsageLine

START_MS: Final = 1_772_452_800_000
LINES: Final = 100
BATCHES: Final = 400
WORKSPACE: Final = "workspace"


def measure(place: Place) -> dict[str, float]:
    """Microseconds a line, the middle of the rounds."""
    gc.collect()
    gc.set_threshold(100_000, 50, 1_000)  # As the engine does.
    pools: dict[str, tuple[ResourcePool, Callable[[int, int], UsageLine]]] = {
        "decide_usage_line_us": (a_pool(10, 20), a_line(20)),
        "decide_usage_line_us_100_provisions": (a_pool(100, 20), a_line(20)),
        "decide_usage_line_us_200_keys": (a_pool(10, 200), a_line(200)),
        "decide_usage_line_us_1000_reservations": (a_pool(10, 20, reservations=1_000), a_line(20)),
        "decide_usage_line_us_careful": (a_pool(10, 20, capped=True), _careful(20)),
    }
    found: dict[str, list[float]] = {name: [] for name in pools}
    for number in range(place.rounds + 1):
        for name, (pool, line) in pools.items():
            place.say(f"decides {name}")
            cost = cost_of(pool, line, number)
            if number:  # The first round warms up.
                found[name].append(cost)
    return {name: sorted(costs)[len(costs) // 2] for name, costs in found.items()}


def a_pool(provisions: int, keys: int, *, reservations: int = 0, capped: bool = False) -> ResourcePool:
    """A pool in the middle of its month."""
    log = [_made(OpenPool, organization_id="acme")]
    rules = [
        Rule(resource_key=f"key-{at}", rule_type="quota", amount=10**9, period="month", stacking="sum")
        for at in range(keys)
    ]
    log.extend(
        _made(
            ProvisionPool,
            provision_id=f"provision-{at}",
            source="subscription",
            set_id="set",
            set_version=1,
            rules=rules,
            ends_at=from_ms(START_MS) + timedelta(days=100 + at),
        )
        for at in range(provisions)
    )
    log.append(_made(AssignWorkspace, workspace_id=WORKSPACE, role="primary"))
    log.extend(
        _made(
            usage_commands.ReserveUsage,
            reservation_id=f"reservation-{at}",
            resource_key=f"key-{at % keys}",
            quantity=1,
            expires_at=from_ms(START_MS) + timedelta(days=20, seconds=at),
        )
        for at in range(reservations)
    )
    if capped:
        log += [_made(CapMember, workspace_id=WORKSPACE, resource_key=f"key-{at}", amount=10**9) for at in range(keys)]
    pool: Any = None
    for at, command in enumerate(log):
        pool = decide(pool, command, START_MS + at).aggregate
    pool.take_events()
    assert isinstance(pool, ResourcePool)
    return pool


def _made(kind: type[Any], **facts: Any) -> Any:
    return kind(command_id="c", pool_id="pool", **facts)


def a_line(keys: int) -> Callable[[int, int], UsageLine]:
    """Lines of usage that go over the keys in turn."""

    def line(batch: int, at: int) -> UsageLine:
        return {
            "resource_key": f"key-{(batch + at) % keys}",
            "quantity": 1,
            "mode": "strict",
            "occurred_at": 0,
            "workspace_id": "",
            "usage_id": "",
            "subject_id": "",
        }

    return line


def _careful(keys: int) -> Callable[[int, int], UsageLine]:
    usual = a_line(keys)
    count = iter(range(10**9))

    def line(batch: int, at: int) -> UsageLine:
        said = usual(batch, at)
        said["workspace_id"], said["subject_id"], said["usage_id"] = WORKSPACE, "alice", f"u-{next(count)}"
        return said

    return line


def cost_of(pool: ResourcePool, line: Callable[[int, int], UsageLine], number: int) -> float:
    """Microseconds of processor time a line takes. number: of the round, each a minute after the one before."""
    batches = [[line(batch, at) for at in range(LINES)] for batch in range(BATCHES)]
    now_ms = START_MS + 60_000 * (number + 1)
    began = time.process_time()
    for at, batch in enumerate(batches):
        answer = record_usage(pool, "c", "alice", None, batch, now_ms + at)
        assert answer.accepted == LINES
        pool.take_events()
    return (time.process_time() - began) / (BATCHES * LINES) * 1_000_000
