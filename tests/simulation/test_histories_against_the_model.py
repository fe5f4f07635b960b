"""Long histories, seed by seed, against a model that works everything out the slow and obvious way."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from generated import history
from specification import state_of, through_the_ledger
from test_properties import Life
from tests.nightly import NIGHTLY

from model import Model

SEEDS = range(100_000) if NIGHTLY else range(100)
#: SIMULATION_SEED=n plays one history again.
if "SIMULATION_SEED" in os.environ:
    SEEDS = range(int(os.environ["SIMULATION_SEED"]), int(os.environ["SIMULATION_SEED"]) + 1)
GROUPS = 20


@pytest.mark.parametrize("seeds", [SEEDS[at::GROUPS] for at in range(GROUPS)], ids=lambda seeds: f"from {seeds.start}")
@pytest.mark.timeout(0 if NIGHTLY else 120)
def test_long_histories_are_what_the_model_works_out(seeds: range) -> None:
    for seed in seeds:
        life, model = Life(), None
        folding: Any = None
        for at, logged in enumerate(history(Random(seed), 150)):
            happened = life.decide(logged)
            for event in happened:
                if model is None:
                    model = Model(event)
                else:
                    model.take(event)
            for event in through_the_ledger(happened):
                folding = event.mutate(folding)
            assert model is not None
            assert life.pool is not None
            model.check(life.pool)
            assert state_of(folding) == state_of(life.pool), f"seed {seed}, command {at}"
