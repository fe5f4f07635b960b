"""Soak: many generated histories against the second model and the sums; and the table of faults, each put back and found.

make soak                                    20,000 histories of 30 to 60 commands
make soak ARGS="--seed 17"                   one history again, and why it fails
make soak ARGS="--histories 500 --from 4000" some
make soak ARGS="--faults"                    the table alone
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from random import Random

from tests.model.comparing import Comparison
from tests.model.faults import FOUND_BY
from tests.model.finding import shortest, told
from tests.model.histories import history
from tests.model.sabotage import FAULTS, is_found_by, shortest_with
from tests.model.shrinking import failure_in, failure_of
from tests.model.telling import History

HISTORIES = 20_000
COMMANDS = (30, 60)
#: Histories in one piece of work, and failures that are shrunk.
PIECE, SHRUNK_MAX = 50, 10
#: Seeds among which a fault is looked for.
FAULT_SEEDS_MAX = 3_000
#: Seeds that failed the last time: they come first.
FAILED = Path(".soak")


def of_seed(seed: int) -> History:
    """The history of a seed, of 30 to 60 commands."""
    return history(seed, Random(seed).randint(*COMMANDS))


def piece(seeds: list[int]) -> tuple[list[tuple[int, str]], Counter[str], int]:
    """Run some histories: those that fail, and which rules were met."""
    failed, met, commands = [], Counter[str](), 0
    for seed in seeds:
        told_again = of_seed(seed)
        commands += len(told_again.steps)
        comparison = Comparison(told_again)
        failure = failure_in(comparison)
        met += comparison.office.met
        if failure is not None:
            failed.append((seed, failure[1]))
    return failed, met, commands


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make soak", description="Generated histories against the second model.")
    parser.add_argument("--seed", type=int, help="one history, with its steps")
    parser.add_argument("--histories", type=int, default=HISTORIES, help="how many (default: %(default)s)")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first seed (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--faults", action="store_true", help="only the table of faults")
    asked = parser.parse_args(arguments)
    if asked.seed is not None:
        return one(asked.seed)
    failed = [] if asked.faults else many(asked.first, asked.histories, asked.jobs)
    return int(table() > 0) | int(bool(failed))


def one(seed: int) -> int:
    """One history again: as it is, or the shortest that fails as it does."""
    failure = failure_of(of_seed(seed))
    if failure is None:
        print(f"seed {seed}: {len(of_seed(seed).steps)} commands, no difference")
        return 0
    print(f"seed {seed} fails: {failure[1]}\nThe shortest history that fails so, as a scenario:\n")
    print(told(shortest(of_seed(seed))))
    return 1


def many(first: int, histories: int, jobs: int) -> list[int]:
    """All of them, those that failed the last time first; the shortest of each kind of failure is printed."""
    seeds = [*_failed_before(), *range(first, first + histories)]
    pieces = [seeds[at : at + PIECE] for at in range(0, len(seeds), PIECE)]
    failed: list[tuple[int, str]] = []
    met, commands, done, started = Counter[str](), 0, 0, time.monotonic()
    for at, (found, rules, number) in enumerate(_run(pieces, jobs)):
        failed, done, commands = failed + found, done + len(pieces[at]), commands + number
        met += rules
        for seed, what in found:
            print(f"\rseed {seed} fails: {what[:150]}", flush=True)
        print(
            f"\r{done:,} of {len(seeds):,} histories, {len(failed)} fail, {done / (time.monotonic() - started):.0f}/s ",
            end="",
            flush=True,
        )
    print(f"\n{commands:,} commands; met: " + ", ".join(f"{rule} {times:,}" for rule, times in met.most_common()))
    FAILED.mkdir(exist_ok=True)
    (FAILED / "failed").write_text("\n".join(str(seed) for seed, _ in failed))
    for seed, _ in failed[:SHRUNK_MAX]:
        text = told(shortest(of_seed(seed)))
        (FAILED / f"seed-{seed}.yaml").write_text(text)
        print(f"--- seed {seed}, also in {FAILED}/seed-{seed}.yaml\n{text}")
    return [seed for seed, _ in failed]


def _run(pieces: list[list[int]], jobs: int) -> Iterator[tuple[list[tuple[int, str]], Counter[str], int]]:
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(piece, pieces)


def _failed_before() -> list[int]:
    failed = FAILED / "failed"
    return [int(seed) for seed in failed.read_text().split()] if failed.exists() else []


def table() -> int:
    """Each fault put back: by which seed it is found, and in how many steps; how many are not."""
    missed = 0
    print(f"\n{'fault':<70} {'seed':>6} {'steps':>6}")
    for name in FAULTS:
        seeds = [*([FOUND_BY[name]] if name in FOUND_BY else []), *range(FAULT_SEEDS_MAX)]
        seed = next((seed for seed in seeds if is_found_by(name, history(seed, COMMANDS[0]))), None)
        missed += seed is None
        steps = "" if seed is None else len(shortest_with(name, history(seed, COMMANDS[0])).steps)
        print(f"{name:<70} {'none' if seed is None else seed:>6} {steps:>6}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
