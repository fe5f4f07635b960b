"""Records a history: frames as they stood in a ledger, and beside them the state they led to.

    python tests/histories/recording.py NAME [SEED [LIVES]]

writes NAME.jsonl (one record of the ledger a line: its bytes and its hash, both in hex) and NAME.json (what every aggregate
was in the end, in words that outlive today's classes). Histories are only ever added to: the script overwrites nothing, and
a test that fails on an old one has found a change that would lose somebody's past.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
DAY_MS = 86_400_000
#: Histories of the whole domain, each on a pool of its own, unless said otherwise (LIVES).
WHOLE = 25


def described(aggregate: Any) -> dict[str, Any]:
    """What an aggregate is, as plain values. Only ever added to: an old history states what it knew of."""
    common = {
        "version": aggregate.version,
        "clock_ms": aggregate.clock_ms,
        "idempotency_keys": {key: [answer.body_digest, answer.at_ms] for key, answer in aggregate.answers.items()},
    }
    if aggregate.aggregate_type == "resource_key":
        return common | {name: getattr(aggregate, name) for name in ("name", "data_type", "unit", "scale")}
    if aggregate.aggregate_type == "plan_ladder":
        return common | {"name": aggregate.name, "rungs": [asdict(rung) for rung in aggregate.rungs]}
    if aggregate.aggregate_type == "entitlement_set":
        rules = [asdict(rule) for rule in aggregate.rules]
        return common | {
            "set_version": aggregate.set_version,
            "ladder": aggregate.ladder,
            "rung": aggregate.rung,
            "rules": rules,
        }
    if aggregate.aggregate_type == "organization":
        units = {name: asdict(unit) for name, unit in aggregate.units.items()}
        admitting = {
            "policies": {name: asdict(policy) for name, policy in aggregate.policies.items()},
            "api_keys": {
                name: [key.name, key.scopes, key.act_for, key.acts_for_all, key.unit_id]
                for name, key in aggregate.api_keys.items()
            },
        }
        return common | {"units": units, "workspaces": aggregate.workspaces, "members": aggregate.members} | admitting
    if aggregate.aggregate_type == "campaign":
        pools = {"pools": list(aggregate.pools), "rules": [asdict(rule) for rule in aggregate.rules]}
        return common | pools | {name: getattr(aggregate, name) for name in ("is_active", "activation", "set_id")}
    return common | {
        "status": aggregate.status,
        "is_backfilling": aggregate.is_backfilling,
        "due_ms": aggregate.due_ms,
        "provisions": {
            name: [
                p.status,
                p.source,
                p.ladder,
                p.quantity,
                p.starts_at.isoformat(),
                p.ends_at and p.ends_at.isoformat(),
            ]
            for name, p in aggregate.provisions.items()
        },
        "grants": {name: [grant.reason, grant.actor, grant.is_over] for name, grant in aggregate.grants.items()},
        "assignments": aggregate.assignments,
        "entitlements": {
            key: {
                "type": held.entitlement_type,
                "value": held.value and asdict(held.value),
                "contributions": [asdict(contribution) for contribution in held.contributions],
                "bearer": held.bearer,
                "consumed": held.consumed,
                "period_end_ms": held.period_end_ms,
                "was_warned": held.was_warned,
                "was_exceeded": held.was_exceeded,
            }
            for key, held in aggregate.entitlements.items()
        },
        "usage_ids": {usage_id: line.recorded_at for usage_id, line in aggregate.usage_ids.items()},
        "sources": aggregate.sources,
    }


def described_all(aggregates: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    """Every aggregate of a partition, through JSON and back."""
    found = {f"{kind}/{name}": described(a) for kind, of_kind in aggregates.items() for name, a in of_kind.items()}
    plain: dict[str, Any] = json.loads(json.dumps(found, sort_keys=True))
    return plain


def an_eventful_life() -> list[tuple[int, Any]]:
    """Commands, and how many milliseconds after noon, by which every kind of event happens."""
    from entitlements import examples as ask

    rules = [ask.quota("api_calls", 10, soft_limit=8), ask.limit("seats", 5), ask.feature("sso")]
    history_began = ask.NOON - timedelta(days=30)
    return [
        (0, ask.define_resource_key("api_calls", idempotency_key="k-1")),
        (0, ask.define_ladder(idempotency_key="k-1")),
        (0, ask.define_entitlement_set("free", *rules, idempotency_key="k-1")),
        (0, ask.define_entitlement_set("free", *rules, name="Free plan")),
        (0, ask.open_pool(backfill_from=history_began)),
        (0, ask.provision_pool("p-1", *rules, ladder="plans", rung=1, effective_at=history_began)),
        (0, ask.record_usage(ask.line("api_calls", 9), effective_at=history_began + timedelta(days=3))),
        (0, ask.assign_workspace("berlin", idempotency_key="k-1")),
        (0, ask.assign_workspace("paris", role="secondary")),
        (0, ask.record_usage(ask.line("api_calls", 9, usage_id="u-1"), ask.line("seats", 4, workspace_id="berlin"))),
        (0, ask.record_usage(ask.line("api_calls", 2), ask.line("api_calls", 2, "report"))),
        (0, ask.record_usage_batch(ask.line("seats", 1), source="gateway", sequence=1)),
        (0, ask.release_usage("seats", 2)),
        (0, ask.issue_grant("g-1", ask.quota("api_calls", 50), ends_at=ask.NOON + timedelta(days=2))),
        (0, ask.issue_grant("g-2", ask.feature("sso"))),
        (0, ask.suspend_provision("p-1")),
        (DAY_MS, ask.resume_provision("p-1")),
        (DAY_MS, ask.revoke_grant("g-2")),
        (DAY_MS, ask.unassign_workspace("paris")),
        (DAY_MS, ask.suspend_pool()),
        (3 * DAY_MS, ask.resume_pool()),
        (3 * DAY_MS, ask.end_provision("p-1", ends_at=ask.NOON + timedelta(days=40))),
        (9 * DAY_MS, ask.open_pool(pool_id="closed-pool")),
        (9 * DAY_MS, ask.provision_pool(pool_id="closed-pool")),
        (9 * DAY_MS, ask.close_pool(pool_id="closed-pool")),
        *((10 * DAY_MS, command) for command in _with_terms(ask.NOON + timedelta(days=10))),
        (11 * DAY_MS, ask.advance_clock(pool_id="terms-pool")),
        *((11 * DAY_MS, command) for command in _governed()),
    ]


def _governed() -> list[Any]:
    """Everything about organizations and campaigns."""
    from entitlements import examples_of_governance as ask

    return [
        *(ask.define_unit("company"), ask.define_unit("sales", "company"), ask.define_unit("labs", "company")),
        ask.assign_unit("sales", "terms-pool"),
        *(ask.place_workspace("berlin", "sales"), ask.place_workspace("berlin", "labs")),
        *(ask.unassign_unit("sales", "terms-pool"), ask.remove_unit("sales")),
        ask.set_member_role("ann", unit_id="labs"),
        *(
            ask.define_access_policy(),
            ask.define_access_policy(priority=7, idempotency_key="k-1"),
            ask.retire_access_policy(),
        ),
        *(ask.create_api_key(), ask.revoke_api_key(revoke_at=ask.NOON + timedelta(days=99))),
        *(
            ask.define_campaign(ends_at=ask.NOON + timedelta(days=90)),
            ask.change_campaign_pools(["terms-pool", "gone"]),
        ),
        *(
            ask.activate_campaign(idempotency_key="k-1"),
            ask.change_campaign_pools([], remove=["gone"]),
            ask.deactivate_campaign(),
        ),
    ]


def _with_terms(now: datetime) -> list[Any]:
    """Reservations, spending and a correction, which generated histories meet too seldom."""
    from entitlements import examples as ask
    from entitlements import examples_of_terms as terms

    pool: dict[str, Any] = {"pool_id": "terms-pool"}
    later = {"expires_at": now + timedelta(hours=5)}
    return [
        ask.open_pool(**pool),
        ask.provision_pool("p-1", ask.quota("api_calls", 10), **pool),
        terms.reserve_usage(4, **pool, **later),
        terms.extend_reservation(**pool, expires_at=now + timedelta(hours=9)),
        terms.commit_reservation(3, **pool),
        terms.reserve_usage(2, reservation_id="reservation-2", **pool, **later),
        terms.release_reservation(reservation_id="reservation-2", **pool),
        terms.configure_on_demand(spending_cap=10, **pool),
        ask.record_usage(ask.line("api_calls", 12, "report"), ask.line("api_calls", 5, "report"), **pool),
        terms.correct_usage(-9, **pool),
        ask.record_usage(ask.line("api_calls", 30, "report"), **pool),
        terms.forgive_overage(amount=5, **pool),
        terms.set_override(100, **pool, expires_at=now + timedelta(hours=2)),
        terms.reserve_usage(1, reservation_id="reservation-3", **pool, expires_at=now + timedelta(hours=1)),
        terms.set_override(7, override_id="override-2", **pool),
        terms.clear_override("override-2", **pool),
        ask.end_provision("p-1", **pool, when="at", ends_at=now + timedelta(hours=30)),
        ask.uncancel_provision("p-1", **pool),
    ]


def _moved(command: Any, pool_id: str) -> Any:
    """The same command to another pool."""
    if hasattr(command, "groups"):
        return replace(command, groups=[group | {"pool_id": pool_id} for group in command.groups])
    return replace(command, pool_id=pool_id)


def record(name: str, seed: int, lives: int) -> None:
    """Let three engines get into trouble over a generated log, and write down what the ledger holds then."""
    from engines import Engine, Ledger, as_logged
    from generated import Logged, history
    from generated_whole import whole_history
    from test_engines_in_trouble import in_trouble

    from entitlements.examples import NOON_MS

    random, ledger = Random(seed), Ledger()
    log = [Logged(NOON_MS + after_ms, command) for after_ms, command in an_eventful_life()]
    log += [Logged(at_ms + 90 * DAY_MS, command) for at_ms, command in history(random, 120, pools=3)]
    for number in range(lives):
        log += [
            Logged(at_ms + 180 * DAY_MS, _moved(command, f"whole-{number}"))
            for at_ms, command in whole_history(Random(seed + number), 60)
        ]
    log.sort(key=lambda logged: logged.timestamp_ms)
    commands = as_logged(log, gaps=random)
    engines = [Engine(f"engine-{at}", commands, ledger) for at in range(3)]
    in_trouble(random, engines, ledger)
    last = engines[0]
    last.give_up()
    while last.decide(20):
        last.write()
        last.read()
    lines = [json.dumps({"value": value.hex(), "sha256": digest.hex()}) for value, digest in ledger.records]
    state = json.dumps(described_all(last.partition.aggregates), indent=1, sort_keys=True)
    # "x": whatever is there already stays.
    with (HERE / f"{name}.jsonl").open("x") as frames, (HERE / f"{name}.json").open("x") as states:
        frames.write("\n".join(lines) + "\n")
        states.write(state + "\n")


if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parents[1]), str(HERE.parent / "unit" / "domain"), str(HERE.parent / "simulation")]
    numbers = [int(told) for told in sys.argv[2:]]
    record(sys.argv[1], *(numbers + [1, WHOLE][len(numbers) :]))
