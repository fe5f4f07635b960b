"""Decides in a process of its own what takes long: so that neither the loop that answers nor the interpreter it needs is kept.

The first part runs in that process; it knows nothing but policies, views and questions. The second part is how a worker asks it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import orjson

from entitlements.errors import ServerIsAway
from entitlements_client.deciding import AsOf, CustomerView, PolicyIsInvalid, PolicySet, Request, decide, explain

T = TypeVar("T")

#: As access.judging says it, which is not loaded there.
SOURCE: Final = "SERVICE"
#: How much it leaves the processors to those that answer.
_NICE: Final = 10
_SESSION_NICE: Final = 5
#: Organizations whose policies it keeps compiled.
_COMPILED_MAX: Final = 100

# --- In the process ------------------------------------------------------------------------------------------------------

_compiled: dict[str, tuple[bytes, PolicySet]] = {}


@dataclass(slots=True)
class Answer:
    """A decision as the access log takes it, why only the service can answer for sure (Decision.needs_service), and its document as JSON."""

    decision_id: str
    allowed: bool
    reason_code: str
    customer_id: str
    resource_key: str
    quantity: int | None
    entitlement_type: str | None
    policy_version: int
    decided_at: datetime
    as_of: AsOf
    source: str
    needs_service: str
    document: bytes


def answers(organization_id: str, policies: bytes, asked: Sequence[tuple[CustomerView, Request]]) -> list[Answer]:
    """Decide several questions. policies: their document, as it is compiled here once."""
    compiled, found = _policies(organization_id, policies), []
    for view, one in asked:
        decision = decide(view, compiled, one, time.time(), SOURCE)
        document = orjson.dumps(decision.to_document())
        found.append(
            Answer(
                decision_id=decision.decision_id,
                allowed=decision.allowed,
                reason_code=decision.reason_code,
                customer_id=decision.customer_id,
                resource_key=decision.resource_key,
                quantity=decision.quantity,
                entitlement_type=decision.entitlement_type,
                policy_version=decision.policy_version,
                decided_at=decision.decided_at,
                as_of=decision.as_of,
                source=decision.source,
                needs_service=decision.needs_service,
                document=document,
            )
        )
    return found


def dry_run(organization_id: str, policies: bytes, view: CustomerView, asked: Request) -> dict[str, Any]:
    """The five steps of a decision."""
    return explain(view, _policies(organization_id, policies), asked, time.time())


def check(policies: bytes) -> tuple[str, str, str] | None:
    """What is wrong with policies: code, path and message; None: nothing."""
    try:
        PolicySet.compile(orjson.loads(policies))
    except PolicyIsInvalid as error:
        return error.code, error.path, error.message
    return None


def _policies(organization_id: str, document: bytes) -> PolicySet:
    known = _compiled.get(organization_id)
    if known is not None and known[0] == document:
        return known[1]
    if len(_compiled) >= _COMPILED_MAX:
        _compiled.clear()
    compiled = PolicySet.compile(orjson.loads(document))
    _compiled[organization_id] = (document, compiled)
    return compiled


def _begin(worker: int) -> None:
    from entitlements.wiring.processes import SUPERVISOR_VARIABLE, die_with_supervisor

    os.environ[SUPERVISOR_VARIABLE] = str(worker)
    die_with_supervisor()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Whoever asks it ends it.
    os.nice(_NICE)
    # Where Linux shares processors by session first (autogroup), niceness counts within a session: in that of the worker it would take the
    # worker's share.
    os.setsid()
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_SESSION_NICE), encoding="ascii")


# --- In the worker -------------------------------------------------------------------------------------------------------


class Aside:
    """The process: begun when it is first asked, and again when it has ended. Ask it from one thread."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call one of the functions above there, and wait. Raises ServerIsAway: it has ended; what the function raises."""
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(1, spawn, _begin, (os.getpid(),))
        try:
            return self._pool.submit(function, *arguments).result()
        except BrokenProcessPool as error:
            self._pool = None
            raise ServerIsAway("The decision process exited.") from error

    def close(self) -> None:
        """End it."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)


def needed(view: CustomerView, resource_key: str) -> CustomerView:
    """The part of a view that a decision about a key looks at: what is sent to another process shall be small."""
    entry = view.entitlements.get(resource_key)
    if entry is None:
        return replace(view, entitlements={})
    keys = (resource_key, *entry.inherited_path)
    return replace(view, entitlements={key: view.entitlements[key] for key in keys if key in view.entitlements})
