"""Where a log is cut into frames, and where somebody takes over, changes no decision."""

from __future__ import annotations

from random import Random

from engines import Engine, Ledger, answers_of, as_logged, final_states, story_of, undisturbed
from generated import Logged, histories, histories_settings
from hypothesis import given
from hypothesis import strategies as st

COMMANDS = histories(commands=40, pools=2)


@histories_settings(12)
@given(log=COMMANDS, cuts=st.lists(st.integers(1, 9), min_size=1, max_size=8))
def test_where_the_log_is_cut_into_frames_changes_no_decision(log: list[Logged], cuts: list[int]) -> None:
    commands = as_logged(log)
    expected, engine = undisturbed(commands), Engine("e", commands, Ledger())
    turn = 0
    while engine.decide(cuts[turn % len(cuts)]):
        engine.write()
        engine.read()
        turn += 1
    assert story_of(engine.ledger.valid_frames()) == story_of(expected.ledger.valid_frames())
    assert final_states(engine.partition) == final_states(expected.partition)
    assert answers_of(engine.answers) == answers_of(expected.answers)


@histories_settings(12)
@given(log=COMMANDS, seed=st.integers(0, 2**32))
def test_whoever_takes_over_from_any_snapshot_and_tail_decides_the_same(log: list[Logged], seed: int) -> None:
    random, commands = Random(seed), as_logged(log)
    expected, ledger = undisturbed(commands), Ledger()
    engine = Engine("e-0", commands, ledger)
    while engine.decide(random.randint(1, 4)):
        engine.write()
        engine.read()
        if random.random() < 0.5:
            engine.take_snapshot()
        if random.random() < 0.5:
            engine.recover(random.choice([None, *ledger.snapshots]))
    assert story_of(ledger.valid_frames()) == story_of(expected.ledger.valid_frames())
    assert final_states(engine.partition) == final_states(expected.partition)
    assert answers_of(engine.answers) == answers_of(expected.answers)


@histories_settings(8)
@given(log=COMMANDS)
def test_the_same_log_gives_the_same_bytes(log: list[Logged]) -> None:
    commands = as_logged(log)
    assert undisturbed(commands).ledger.records == undisturbed(commands).ledger.records
