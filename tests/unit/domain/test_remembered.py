"""What is remembered for a window, in chunks: the same as in one dict in the order of time, whatever its size."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from random import Random

import pytest
from engines import small_chunks
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.nightly import examples

from entitlements.domain import remembered as module
from entitlements.domain.pool_parts import RememberedLine, RememberedPart, borne_whole
from entitlements.domain.remembered import Remembered, RememberedAnswers
from entitlements.domain.remembered_chunks import RememberedAnswer
from entitlements.domain.remembered_lines import RememberedLines
from entitlements.ledger.chunks import StateDoesNotFit, dump_chunk, dump_remembered, load_chunk, load_remembered
from entitlements.ledger.states import dump_state

WINDOW_MS = 1_000
PARTS = (
    borne_whole("prv-1", 5),
    borne_whole("prv-2", 7),
    (),
    (RememberedPart("included", "prv-1", "", 3, 0, ""), RememberedPart("overage", "", "", 2, 0, "")),
    (RememberedPart("credit", "prv-3", "acme", 5, 50, "coins", admitted=True),),
)


@pytest.fixture(autouse=True)
def _small() -> Iterator[None]:
    with small_chunks():
        yield


class Lived:
    """Lines that were remembered, and the same in one dict."""

    def __init__(self, seed: int) -> None:
        self.random, self.now_ms = Random(seed), 1_000_000
        self.lines, self.model = RememberedLines(), dict[str, RememberedLine]()

    def remember(self) -> None:
        self.now_ms += self.random.choice((0, 1, 7, 30, 30, 200, WINDOW_MS * self.random.choice((0, 0, 0, 2))))
        usage_id = f"u-{self.random.randrange(120)}"
        known = self.model.get(usage_id)
        if known is not None and known.recorded_at > self.now_ms - WINDOW_MS:
            return
        line = self.a_line()
        if line.parts == borne_whole("prv-1", 5) and line[3:6] == (0, "", ""):
            self.lines.remember_usual(usage_id, line.recorded_at, line.turn, line.body, "prv-1")
        else:
            self.lines.remember(usage_id, line)
        self.model.pop(usage_id, None)
        self.model[usage_id] = line

    def a_line(self) -> RememberedLine:
        random = self.random
        body = (
            f"key-{random.randrange(2)}",
            5,
            random.choice(("strict", "report")),
            random.choice(("", "w")),
            self.now_ms,
        )
        beside = random.choice(((0, "", ""), (0, "", ""), (-1, "ann", ""), (17, "", "rsv-1")))
        return RememberedLine(self.now_ms, body, random.randrange(3), *beside, random.choice(PARTS))

    def forget(self, keep: int = 0) -> None:
        until_ms = self.now_ms - WINDOW_MS
        for _ in range(1_000):
            self.lines.forget(until_ms, keep)
        for usage_id in list(self.model):
            if self.model[usage_id].recorded_at > until_ms or (keep and len(self.model) <= keep):
                break
            del self.model[usage_id]

    def reverse(self) -> None:
        if self.model:
            usage_id, parts = self.random.choice(list(self.model)), self.random.choice(PARTS)
            self.lines.bear_anew(usage_id, parts)
            self.model[usage_id] = self.model[usage_id]._replace(parts=parts)

    def restart(self) -> None:
        """From a snapshot; what is written once more is the same."""
        before = stored(self.lines)
        self.lines = load_remembered(RememberedLines, before[0], iter(before[1]))
        assert stored(self.lines) == before

    def check(self) -> None:
        assert list(self.lines.items()) == list(self.model.items())
        assert list(self.lines) == list(self.model)
        assert len(self.lines) == len(self.model)
        for at in range(120):
            assert self.lines.get(f"u-{at}") == self.model.get(f"u-{at}")
            assert (f"u-{at}" in self.lines) is (f"u-{at}" in self.model)


def stored(remembered: Remembered) -> tuple[dict, list[bytes]]:  # type: ignore[type-arg]
    chunks = [dump_chunk(type(chunk), chunk.as_columns()) for chunk in remembered.closed]
    return dump_remembered(remembered), chunks


@settings(max_examples=examples(60), deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), steps=st.lists(st.sampled_from("rrrrrrrrffbs"), max_size=150))
def test_what_is_remembered_is_what_one_dict_would_hold(seed: int, steps: list[str]) -> None:
    lived = Lived(seed)
    for step in steps:
        {"r": lived.remember, "f": lived.forget, "b": lived.reverse, "s": lived.restart}[step]()
        lived.check()


@pytest.mark.parametrize("keep", [1, 2, 3, 7, 20])
def test_the_newest_are_kept_however_old_they_are(keep: int) -> None:
    answers = RememberedAnswers()
    for at in range(60):
        answers.remember(f"k-{at}", "digest", at * WINDOW_MS)
        answers.forget((at - 4) * WINDOW_MS, keep)
        assert list(answers) == [f"k-{each}" for each in range(max(0, at + 1 - max(4, keep)), at + 1)]


def test_a_copy_changes_nothing_of_what_it_was_copied_from() -> None:
    lived = Lived(1)
    for _ in range(40):
        lived.remember()
    before, twin = list(lived.lines.items()), deepcopy(lived.lines)
    assert twin == lived.lines
    twin.bear_anew(before[0][0], PARTS[3])
    twin.remember("new", before[0][1])
    assert list(lived.lines.items()) == before
    assert twin != lived.lines


def test_nobody_who_remembers_nothing_shares_what_another_remembers() -> None:
    one, other = RememberedAnswers(), RememberedAnswers()
    one.remember("a", "digest", 1)
    assert one.get("a") == RememberedAnswer("digest", 1)
    assert other.get("a") is None
    assert not list(other)


def test_after_a_pause_only_a_few_are_forgotten_at_once() -> None:
    answers = RememberedAnswers()
    for at in range(100):
        answers.remember(f"k-{at}", "digest", at)
    answers.remember("new", "digest", 10_000)
    answers.forget(9_000)
    assert len(answers) == 101 - module.FORGOTTEN_AT_ONCE
    for _ in range(10):
        answers.forget(9_000)
    assert list(answers) == ["new"]


def test_what_little_is_remembered_of_a_quiet_pool_does_not_pile_up() -> None:
    answers = RememberedAnswers()
    for at in range(1_000):
        answers.remember(f"k-{at}", "digest", at * 100)
        answers.forget(at * 100 - 100)
        assert sum(len(chunk) for chunk in [*answers.closed, answers.open]) <= 6  # type: ignore[arg-type]


def test_a_closed_chunk_that_somebody_writes_down_does_not_change_under_his_hands() -> None:
    lived = Lived(2)
    while not lived.lines.closed:
        lived.remember()
    chunk = lived.lines.closed[0]
    before = chunk.as_columns()
    value = dump_chunk(type(chunk), before)
    chunk.stored_as = b"name"
    lived.lines.bear_anew(chunk.keys[0], (RememberedPart("overage", "", "", 1, 0, ""),))
    assert chunk.stored_as is None
    assert dump_chunk(type(chunk), before) == value != dump_chunk(type(chunk), chunk.as_columns())


def test_chunks_that_do_not_belong_together_are_refused() -> None:
    lived = Lived(3)
    while len(lived.lines.closed) < 3:
        lived.remember()
    state, chunks = stored(lived.lines)
    with pytest.raises(StateDoesNotFit):
        load_remembered(RememberedLines, state, iter(chunks[1:]))
    with pytest.raises(StateDoesNotFit):
        load_remembered(RememberedLines, state | {"open": None}, iter(chunks))
    with pytest.raises(StateDoesNotFit):
        load_remembered(RememberedLines, state | {"forgotten": 3}, iter(chunks))
    for damaged in (b"", chunks[0][:-5], b"x" + chunks[0]):
        with pytest.raises(StateDoesNotFit):
            load_chunk(RememberedLines.chunk, damaged)


def test_a_state_does_not_hold_what_was_closed() -> None:
    from bench.decisions import START_MS, a_pool

    pool = a_pool(1, 1)
    for at in range(500):
        pool.remember_usual(f"u-{at}", START_MS, ("key-0", 1, "strict", "", START_MS), "provision-0")
        if at == 10:
            few = len(dump_state(pool))
    assert len(dump_state(pool)) < few + 20
