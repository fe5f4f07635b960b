"""What a quiet organization waits for its answers while its neighbours take all they can: silent connections, streams, expensive policies.

Open-loop (questions.py), in rounds: alone, beside each kind of neighbour, and beside all of them at once. Each figure is the median of its
rounds, and the ratio that of rounds: what else the machine does is in both. The neighbours hold 3,000 connections that say nothing (each that
is closed is opened again), one organization's streams at their bound with changes on all of them, and ask by the most expensive policies
that can be defined. Probes are asked all the while. Who asks and the neighbours are processes and sessions of their own, as they would be
machines of their own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from bench import questions
from bench.installations import an_installation
from bench.latency import percentile
from bench.neighbours import CUSTOMER, KEY, worst_policies
from bench.place import Place
from entitlements.domain.commands import AssignWorkspace, OpenPool, ProvisionPool
from entitlements.domain.governance_commands import CreateApiKey, DefineAccessPolicy
from entitlements.domain.plan_commands import ClearOverride, SetOverride
from entitlements.domain.values import Rule
from entitlements.intake.api_keys import new_api_key
from entitlements.intake.policies import policy_command
from entitlements.ledger.caller import Caller, new_id
from entitlements.settings import Settings
from entitlements_projections import reading
from entitlements_projections.database import connect

SILENT: Final = 3_000
#: Questions a second of the quiet organization, and of its neighbour by the worst policies; changes a second that its streams hear.
QUIET_PER_S: Final = 200
NOISY_PER_S: Final = 50
CHANGES_PER_S: Final = 10
#: So long that all silent connections are closed once, at the same moment, and opened again.
SECONDS: Final = 12
NOISY: Final = "noisy"
READY_WITHIN_FOR: Final = 60.0


class Load(NamedTuple):
    """What the neighbours do at once."""

    silent: int = 0
    streams: int = 0
    checks_per_s: float = 0.0


@dataclass(slots=True)
class Round:
    """What the quiet organization waited for beside one load, and what the machine did meanwhile."""

    waits: questions.Waits
    #: Share of the time of the processors that nobody needed.
    idle: float
    counts: Mapping[str, int]
    probes: list[float] = field(default_factory=list)

    def ms(self, of_hundred: int) -> float:
        """Milliseconds that so many of a hundred answers did not exceed."""
        return percentile(self.waits.answered, of_hundred) * 1_000


def measure(place: Place) -> dict[str, float]:
    """Milliseconds of the quiet organization's checks, alone and beside the others."""
    with an_installation(place) as (settings, key, _):
        noisy = a_noisy_organization(settings)
        loads = {
            "alone": Load(),
            "silent": Load(silent=SILENT),
            "streams": Load(streams=settings.api_streams_max),
            "policies": Load(checks_per_s=NOISY_PER_S),
            "all": Load(SILENT, settings.api_streams_max, NOISY_PER_S),
        }
        found: dict[str, list[Round]] = {name: [] for name in loads}
        questions.asked(settings, key, 2.0, QUIET_PER_S)  # Code is warm afterwards.
        for number in range(place.rounds):
            for name, load in loads.items():
                place.say(f"beside: {name}")
                found[name].append(a_round(settings, key, noisy, load, max(3.0, SECONDS * place.scale)))
            place.progress((number + 1) / place.rounds)
    place.notes["quiet_check_p99_ms"] = _note(found)
    return {
        "quiet_check_alone_p99_ms": _median(found["alone"], 99),
        "quiet_check_p50_ms": _median(found["all"], 50),
        "quiet_check_p99_ms": _median(found["all"], 99),
        "quiet_check_times_alone": statistics.median(
            beside.ms(99) / alone.ms(99) for alone, beside in zip(found["alone"], found["all"], strict=True)
        ),
    }


def a_round(settings: Settings, key: str, noisy: str, load: Load, seconds: float) -> Round:
    """Ask beside a load."""
    with ExitStack() as stack:
        counts: dict[str, int] = {}
        if any(load):
            counts = stack.enter_context(neighbours(settings, noisy, *load))
        if load.streams:
            stack.enter_context(changing(settings, CHANGES_PER_S))
        probes = stack.enter_context(probing(settings))
        idle, whole = _processors()
        waits = questions.asked(settings, key, seconds, QUIET_PER_S)
        idle_now, whole_now = _processors()
    return Round(waits, (idle_now - idle) / max(1, whole_now - whole), counts, probes)


def _processors() -> tuple[int, int]:
    """The time of all processors since the system began, idle and whole, in the system's own unit; zeros where it does not tell."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return 0, 0
    ticks = [int(number) for number in stat.read_text(encoding="ascii").partition("\n")[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


def _median(rounds: list[Round], of_hundred: int) -> float:
    return statistics.median(each.ms(of_hundred) for each in rounds)


def _note(found: Mapping[str, list[Round]]) -> str:
    last, rounds = found["all"][-1].counts, [each for those in found.values() for each in those]
    p99 = ", ".join(f"{name} {_median(those, 99):.0f}" for name, those in found.items())
    own = percentile([one for each in rounds for one in each.waits.own], 99) * 1_000
    idle = [each.idle for each in rounds]
    return (
        f"{QUIET_PER_S}/s open-loop, {len(found['all'])} rounds; p99 beside {p99} ms; who asks was itself late by {own:.1f} ms at p99; "
        f"processors {min(idle):.0%} to {max(idle):.0%} idle, load average {os.getloadavg()[0]:.1f}; "
        f"{last['silent']:,} silent connections ({last.get('silent_closed', 0):,} closed), {last['streams']:,} streams "
        f"({last['events']:,} changes sent), {NOISY_PER_S}/s by the worst policies ({last.get('checks_200', 0)} answered, "
        f"{last.get('checks_429', 0)} refused); the longest probe {max(max(each.probes) for each in rounds) * 1_000:.0f} ms"
    )


def a_noisy_organization(settings: Settings) -> str:
    """An organization with a customer and the worst policies; a key of it."""
    made = new_api_key()
    rules = [Rule(resource_key=KEY, rule_type="boolean", stacking="any")]
    pool = {"pool_id": "noisy-pool"}
    commands: list[Any] = [
        OpenPool(command_id=new_id(), organization_id=NOISY, **pool),
        ProvisionPool(
            command_id=new_id(), provision_id="plan", source="subscription", set_id="pro", set_version=1, rules=rules, **pool
        ),
        AssignWorkspace(command_id=new_id(), workspace_id=CUSTOMER, role="primary", **pool),
        CreateApiKey(
            command_id=new_id(), organization_id=NOISY, key_id=made.key_id, secret_sha256=made.secret_sha256, scopes=["read"]
        ),
        *policies_of(NOISY),
    ]  # fmt: skip
    with Caller(settings) as caller:
        outcomes = caller.call_all(commands)
    assert all(outcome.is_accepted for outcome in outcomes), [one for one in outcomes if not one.is_accepted][:3]
    with connect(settings.postgres) as connection:
        for outcome in outcomes:
            reading.wait_for(connection, outcome.partition, outcome.frame_offset, 60.0)
    return made.token


def policies_of(organization_id: str) -> list[DefineAccessPolicy]:
    """The worst policies there may be, as commands."""
    return [policy_command(policy, organization_id, {"command_id": new_id()}) for policy in worst_policies()]


@contextmanager
def neighbours(
    settings: Settings, key: str, silent: int, streams: int, per_s: float, customer: str = CUSTOMER
) -> Iterator[dict[str, int]]:
    """The neighbours at work (neighbours.py); what they have done is told at the end."""
    with another_process("bench.neighbours", settings, key, str(silent), str(streams), str(per_s), customer) as counts:
        yield counts


@contextmanager
def another_process(module: str, settings: Settings, *arguments: str) -> Iterator[dict[str, int]]:
    """A module that calls the API as long as its input is open; what it has counted is told at the end."""
    command = [sys.executable, "-m", module, settings.api_host, str(settings.api_port), *arguments]
    counts: dict[str, int] = {}
    ready = threading.Event()

    def read() -> None:
        for line in process.stdout or ():
            if line.startswith("{"):
                counts.update(json.loads(line))
            ready.set()

    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        reading_it = threading.Thread(target=read, daemon=True)
        reading_it.start()
        try:
            assert ready.wait(READY_WITHIN_FOR), f"{module} never came"
            yield counts
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
            reading_it.join(5)


@contextmanager
def changing(settings: Settings, per_s: float) -> Iterator[None]:
    """Change what the noisy customer has, again and again: all streams hear it."""
    stopping = threading.Event()

    def change() -> None:
        with Caller(settings) as caller:
            while not stopping.is_set():  # Set and cleared: a pool has a bounded number of overrides.
                named = {"pool_id": "noisy-pool", "override_id": f"o-{new_id()}", "actor": "bench"}
                denied = SetOverride(command_id=new_id(), resource_key=KEY, allowed=False, reason="bench", **named)
                for command in (denied, ClearOverride(command_id=new_id(), **named)):
                    caller.send(command)
                    stopping.wait(1.0 / per_s)

    with _thread(change, stopping):
        yield


@contextmanager
def probing(settings: Settings) -> Iterator[list[float]]:
    """Ask the probes all the while; how long each took. Raises AssertionError at the end for one that did not answer 200."""
    stopping = threading.Event()
    took: list[float] = []
    failed: list[str] = []

    def probe() -> None:
        with httpx.Client(base_url=f"http://{settings.api_host}:{settings.api_port}", timeout=10.0) as client:
            while not stopping.wait(0.25):
                for path in ("/healthz", "/readyz"):
                    began = time.monotonic()
                    try:
                        answer = client.get(path)
                    except httpx.HTTPError as error:
                        failed.append(f"{path}: {error!r}")
                        continue
                    took.append(time.monotonic() - began)
                    if answer.status_code != 200:
                        failed.append(f"{path}: {answer.text}")

    with _thread(probe, stopping):
        yield took
    assert not failed, failed[:3]


@contextmanager
def _thread(work: Any, stopping: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(30)
