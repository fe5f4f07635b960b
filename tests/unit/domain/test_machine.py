"""A pool as a state machine: hypothesis chooses what is asked next, and everything that must be true is looked at after each step.

Beside the histories of generated_whole.py, whose order is chance: here the order is searched for, and shrinks to the shortest.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from random import Random
from typing import Any

from generated import STEPS_MS, Logged
from generated_whole import WholeAuthor
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from specification import state_of, through_the_ledger
from test_properties import Life, check_no_trace
from test_whole_domain import check_holds, check_ladders, check_lines
from tests.nightly import NIGHTLY

from entitlements import examples as ask
from entitlements.domain.aggregate import Event
from entitlements.domain.buckets import UNLIMITED
from entitlements.domain.cover import affordable
from entitlements.domain.pools import ResourcePool
from entitlements.domain.stacking import stack
from entitlements.domain.values import Rule
from entitlements.ledger.states import dump_state, load_state

KINDS = sorted(set(WholeAuthor.asked))
SEEDS = st.integers(0, 2**16)


class PoolMachine(RuleBasedStateMachine):
    """One pool, its events folded beside it, and a twin that is restarted from snapshots."""

    @initialize(seed=SEEDS)
    def open(self, seed: int) -> None:
        self.author = WholeAuthor(Random(seed), 1)
        self.author.past_ms.clear()
        self.life, self.folded, self.happened = Life(), None, []
        self.log: list[Logged] = []
        opened = ask.open_pool(
            pool_id="pool-0", command_id="c-open", time_zone=self.author.random.choice(("UTC", "Europe/Berlin"))
        )
        self._decide(Logged(self.author.now_ms, opened))
        self._decide(self.author._provisioned("pool-0"))
        self._decide(Logged(self.author.now_ms, ask.assign_workspace("w-0", pool_id="pool-0", command_id="c-w")))

    @rule(kind=st.sampled_from(KINDS), seed=SEEDS, step_ms=st.sampled_from(STEPS_MS))
    def ask_something(self, kind: str, seed: int, step_ms: int) -> None:
        self.author.random, self.author.planned = Random(seed), []
        self.author.now_ms += step_ms
        command = getattr(self.author, kind)()
        facts: dict[str, Any] = {"command_id": self.author._id()}
        if hasattr(command, "pool_id"):
            facts["pool_id"] = "pool-0"
        self._decide(Logged(self.author.now_ms, replace(command, **facts)))

    @rule()
    def restart_from_a_snapshot(self) -> None:
        assert self.life.pool is not None
        before = state_of(self.life.pool)
        restored = load_state("pool", dump_state(self.life.pool))
        assert isinstance(restored, ResourcePool)
        assert state_of(restored) == before
        self.life.pool = restored

    @rule()
    def strict_usage_of_all_that_is_left_fits_and_one_more_does_not(self) -> None:
        """On a copy: the answer of what is left is the decision about it, at every moment."""
        pool = deepcopy(self.life.pool)
        assert pool is not None
        if pool.status != "open" or pool.is_backfilling:
            return
        twin = Life()
        twin.pool = pool
        twin.decide(Logged(self.author.now_ms, ask.advance_clock(pool_id="pool-0")))
        for key, held in list(pool.entitlements.items()):
            left = affordable(pool, held)
            if held.entitlement_type == "boolean" or held.value is None or not 0 < left < UNLIMITED // 4:
                continue
            one_more, all_of_it = Life(), Life()
            one_more.pool, all_of_it.pool = deepcopy(pool), deepcopy(pool)
            lines = [ask.line(key, quantity, "strict") for quantity in (left + 1, left)]
            for life, line in zip((one_more, all_of_it), lines, strict=True):
                life.decide(Logged(self.author.now_ms, ask.record_usage(line, pool_id="pool-0")))
            assert len(one_more.answers[-1][1].refused) == 1, (key, left)
            assert not all_of_it.answers[-1][1].refused, (key, left)

    def _decide(self, logged: Logged) -> None:
        self.log.append(logged)
        known = len(self.life.events)
        check_no_trace(self.life, logged)
        self.happened = self.life.events[known:]
        for event in through_the_ledger(self.happened):
            self.folded = event.mutate(self.folded)

    @invariant()
    def what_is_folded_is_what_is_live(self) -> None:
        if self.life.pool is not None:
            assert state_of(self.folded) == state_of(self.life.pool)

    @invariant()
    def what_is_held_adds_up(self) -> None:
        pool = self.life.pool
        if pool is not None:
            for key, entitlement in pool.entitlements.items():
                check_holds(pool, key, entitlement)
            check_ladders(pool)
            for event in self.happened:
                check_lines(pool, event)
                _check_stacking(event)

    def teardown(self) -> None:
        """The same log again gives the same events, and the same bytes in the ledger."""
        twin = Life()
        for logged in self.log:
            twin.decide(logged)
        assert twin.events == self.life.events


def _check_stacking(event: Event) -> None:
    for change in getattr(event, "changes", ()):
        if change.after is None or change.after.override_id or change.entitlement_type == "boolean":
            continue
        ruling = Rule(resource_key=change.resource_key, rule_type=change.entitlement_type, stacking=change.stacking)
        stacked = stack(change.contributions, change.stacking, ruling)
        assert stacked.limit == change.after.limit
        assert stacked.hard_limit == change.after.hard_limit


TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(
    max_examples=2_000 if NIGHTLY else 25,
    stateful_step_count=40,
    derandomize=not NIGHTLY,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
