"""What a quiet organization waits for its answers while its neighbours take all they can: silent connections, streams, expensive policies.

Open-loop: questions are sent on schedule, whether or not answers come, and waited for from when they were due. First alone, then beside
3,000 connections that say nothing (each that is closed is opened again), one organization's streams at their bound with changes on all of
them, and that organization's questions by the most expensive policies that can be defined. Probes are asked all the while.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

from bench import questions, serving
from bench.latency import percentile
from bench.neighbours import CUSTOMER, KEY, worst_policies
from bench.place import Place
from entitlements.domain.commands import AssignWorkspace, OpenPool, ProvisionPool
from entitlements.domain.governance_commands import CreateApiKey, DefineAccessPolicy
from entitlements.domain.plan_commands import SetOverride
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
SECONDS: Final = 20
NOISY: Final = "noisy"
READY_WITHIN_FOR: Final = 60.0


def measure(place: Place) -> dict[str, float]:
    """Milliseconds of the quiet organization's checks, alone and beside the others."""
    with serving.an_installation(place) as (settings, key, _):
        place.say("alone")
        seconds = max(3.0, SECONDS * place.scale)
        questions.asked(settings, key, 2.0, QUIET_PER_S)  # Code is warm afterwards.
        alone = questions.asked(settings, key, seconds, QUIET_PER_S).answered
        place.say("beside its neighbours")
        noisy = a_noisy_organization(settings)
        with (
            neighbours(settings, noisy, SILENT, settings.api_streams_max, NOISY_PER_S) as counts,
            changing(settings, CHANGES_PER_S),
            probing(settings) as probes,
        ):
            beside = questions.asked(settings, key, seconds, QUIET_PER_S).answered
        place.notes["quiet_check_p99_ms"] = (
            f"{QUIET_PER_S}/s open-loop beside {counts['silent']:,} silent connections ({counts['silent_closed']:,} closed), "
            f"{counts['streams']:,} streams ({counts['events']:,} changes sent), {NOISY_PER_S}/s by the worst policies "
            f"({counts.get('checks_200', 0)} answered, {counts.get('checks_429', 0)} refused); "
            f"{len(probes)} probes, the longest {max(probes) * 1000:.0f} ms"
        )
        return {
            "quiet_check_alone_p99_ms": percentile(alone, 99) * 1_000,
            "quiet_check_p50_ms": percentile(beside, 50) * 1_000,
            "quiet_check_p99_ms": percentile(beside, 99) * 1_000,
        }


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
    command = [sys.executable, "-m", "bench.neighbours", settings.api_host, str(settings.api_port), key]
    counts: dict[str, int] = {}
    ready = threading.Event()

    def read() -> None:
        for line in process.stdout or ():
            if line.startswith("{"):
                counts.update(json.loads(line))
            ready.set()

    with subprocess.Popen(
        [*command, str(silent), str(streams), str(per_s), customer],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        reading_it = threading.Thread(target=read, daemon=True)
        reading_it.start()
        try:
            assert ready.wait(READY_WITHIN_FOR), "the neighbours never came"
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
        number = 0
        with Caller(settings) as caller:
            while not stopping.wait(1.0 / per_s):
                number += 1
                caller.send(
                    SetOverride(
                        command_id=new_id(), pool_id="noisy-pool", override_id=f"o-{new_id()}", resource_key=KEY,
                        allowed=number % 2 == 0, reason="bench", actor="bench",
                    )
                )  # fmt: skip

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
