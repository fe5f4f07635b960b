"""What a quiet organization waits for beside the largest calls that another may make, one kind after the other, and all of them at once.

The quiet one asks open-loop (questions.py): a check, usage, a check, usage, and 50 checks in one call, in turn. Its neighbour calls as
large_work.py says, over a few connections, each with the next call as soon as the last is answered.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from bench import fairness, questions
from bench.installations import an_installation, customers_on_a_plan
from bench.large_work import CUSTOMER, CUSTOMERS, KINDS
from bench.latency import percentile
from bench.place import Place
from entitlements.domain.governance_commands import CreateApiKey
from entitlements.intake.api_keys import new_api_key
from entitlements.ledger.caller import Caller, new_id
from entitlements.settings import Settings
from entitlements_projections import reading
from entitlements_projections.database import connect

#: Questions a second of the quiet organization, and what they are.
PER_S: Final = 100
ASKED: Final = ("check", "use", "check", "use", "bulk")
#: Connections of its neighbour, by each kind of call; of all kinds at once each has one.
CONNECTIONS: Final = 4
SECONDS: Final = 10
WARM_FOR: Final = 1.0


def measure(place: Place) -> dict[str, float]:
    """Milliseconds that 99 of 100 answers to the quiet organization do not exceed."""
    chosen = [kind for kind in os.environ.get("LARGE_WORK", "").split(",") if kind] or list(KINDS)
    with an_installation(place, "large") as (settings, key, _):
        noisy = a_noisy_organization(settings)
        seconds = max(3.0, SECONDS * place.scale)
        questions.asked(settings, key, WARM_FOR, PER_S, ASKED)
        loads: dict[str, Mapping[str, int]] = {"alone": {}} | {kind: {kind: CONNECTIONS} for kind in chosen}
        if len(chosen) > 1:
            loads["all"] = dict.fromkeys(chosen, 1)
        found: dict[str, list[questions.Waits]] = {name: [] for name in loads}
        answered: dict[str, str] = {}
        for number in range(place.rounds):
            for name, load in loads.items():
                place.say(f"beside: {name}")
                with ExitStack() as stack:
                    counts = [stack.enter_context(at_work(settings, noisy, *each)) for each in load.items()]
                    if load:
                        questions.asked(settings, key, WARM_FOR, PER_S, ASKED)
                    found[name].append(questions.asked(settings, key, seconds, PER_S, ASKED))
                answered[name] = ", ".join(f"{each.get('200', 0)} calls" for each in counts)
            place.progress((number + 1) / place.rounds)
    place.notes["quiet_p99_ms_beside_large_work"] = _note(found, answered)
    worst = max((name for name in found if name != "alone"), key=lambda name: _p99(found[name]))
    return {
        "quiet_p99_ms_beside_large_work": _p99(found[worst]),
        "quiet_p99_ms_beside_no_work": _p99(found["alone"]),
    }


def _p99(rounds: Sequence[questions.Waits], kind: str = "") -> float:
    waits = [each.by_kind[kind] if kind else each.answered for each in rounds]
    return statistics.median(percentile(each, 99) for each in waits) * 1_000


def _note(found: Mapping[str, Sequence[questions.Waits]], answered: Mapping[str, str]) -> str:
    parts = [
        f"{name} {_p99(rounds):.0f} ({', '.join(f'{kind} {_p99(rounds, kind):.0f}' for kind in dict.fromkeys(ASKED))}; {answered[name]})"
        for name, rounds in found.items()
    ]
    own = percentile([one for rounds in found.values() for each in rounds for one in each.own], 99) * 1_000
    return f"{PER_S}/s open-loop; p99 beside: {'; '.join(parts)} ms; who asks was itself late by {own:.1f} ms at p99"


def a_noisy_organization(settings: Settings) -> str:
    """An organization with many customers; a key of it for everything."""
    made = new_api_key()
    commands: list[Any] = [
        CreateApiKey(
            command_id=new_id(), organization_id=fairness.NOISY, key_id=made.key_id, secret_sha256=made.secret_sha256,
            scopes=["read", "use", "administer"],
        )
    ]  # fmt: skip
    commands += customers_on_a_plan(fairness.NOISY, CUSTOMERS, "noisy-", "ws-noisy-")
    with Caller(settings) as caller:
        outcomes = caller.call_all(commands)
    assert all(outcome.is_accepted for outcome in outcomes)
    with connect(settings.postgres) as connection:
        for outcome in outcomes[:1] + outcomes[-1_000:]:
            reading.wait_for(connection, outcome.partition, outcome.frame_offset, 60.0)
    return made.token


@contextmanager
def at_work(
    settings: Settings, key: str, kind: str, connections: int, customer: str = CUSTOMER
) -> Iterator[dict[str, int]]:
    """Large work of a kind, by another process; what was answered is told at the end. customer: one, or all that begin so (`ws-noisy-`)."""
    with fairness.another_process("bench.large_work", settings, key, kind, str(connections), customer) as counts:
        yield counts
