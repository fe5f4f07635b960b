"""Decides in a process of its own what takes long: so that neither the loop that answers nor the interpreter it needs is kept.

The first part runs in that process; it knows nothing but policies, views and questions. The second part is how a worker asks it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import orjson

from entitlements.errors import ServerIsAway
from entitlements_client.deciding import AsOf, CustomerView, PolicyIsInvalid, PolicySet, Request, decide, explain

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

T = TypeVar("T")

#: As access.judging says it, which is not loaded there.
SOURCE: Final = "SERVICE"
#: How much it leaves the processors to those that answer.
_NICE: Final = 10
_SESSION_NICE: Final = 5
#: Questions that it computes at once, sharing its processor among them: a dry run of seconds and an answer of milliseconds go on side by side.
AT_ONCE: Final = 8
#: Seconds for which one of them has the interpreter.
_SWITCH_EVERY_FOR: Final = 0.001
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


def dry_run(organization_id: str, policies: bytes, view: CustomerView, asked: Request) -> bytes | None:
    """The five steps of a decision as JSON: what a context has is in it as often as it is compared. None: JSON cannot say it."""
    found = explain(view, _policies(organization_id, policies), asked, time.time())
    try:
        return orjson.dumps(found | {"source": SOURCE}, option=orjson.OPT_UTC_Z)
    except orjson.JSONEncodeError:
        return None


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


def _work(connections: Sequence[Connection], worker: int) -> None:
    """Answer what comes over each connection, each in a thread: so what takes long shares this process with what does not."""
    _begin(worker)
    sys.setswitchinterval(_SWITCH_EVERY_FOR)
    threads = [threading.Thread(target=_answer, args=(connection,), daemon=True) for connection in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _answer(connection: Connection) -> None:
    with connection, suppress(EOFError, OSError):  # Whoever asked has ended.
        while True:
            function, arguments = connection.recv()
            try:
                said: tuple[Any, Exception | None] = function(*arguments), None
            except Exception as error:  # noqa: BLE001 - whoever asked hears it.
                said = None, error
            connection.send(said)
            del function, arguments, said  # They are kept no longer than whoever asks needs them.


# --- In the worker -------------------------------------------------------------------------------------------------------


class Aside:
    """The process: begun when it is first asked, and again when it has ended. Ask it from AT_ONCE threads at most."""

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._free: list[Connection] = []
        self._changing = threading.Lock()

    def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call one of the functions above there, and wait. Raises ServerIsAway: it has ended; what the function raises."""
        with self._changing:
            if not self._free:
                self._start()
            connection, process = self._free.pop(), self._process
        try:
            connection.send((function, arguments))
            found, error = connection.recv()
        except BaseException as gone:
            connection.close()
            with self._changing:
                if self._process is process:
                    self.close()  # None of the others leads anywhere, or it is not known what they would say.
            if isinstance(gone, EOFError | OSError):
                raise ServerIsAway("The decision process exited.") from gone
            raise
        with self._changing:
            if self._process is process:
                self._free.append(connection)
            else:
                connection.close()
        if error is not None:
            raise error
        answer: T = found
        return answer

    def _start(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        pairs = [spawn.Pipe() for _ in range(AT_ONCE)]
        self._process = spawn.Process(target=_work, args=([theirs for _, theirs in pairs], os.getpid()), daemon=True)
        self._process.start()
        for _, theirs in pairs:
            theirs.close()  # Else nobody would hear that the process has ended.
        self._free = [ours for ours, _ in pairs]

    def close(self) -> None:
        """End it: its threads end with their connections."""
        for connection in self._free:
            connection.close()
        self._free = []
        if self._process is not None:
            self._process.kill()
            self._process = None


def needed(view: CustomerView, resource_key: str) -> CustomerView:
    """The part of a view that a decision about a key looks at: what is sent to another process shall be small."""
    entry = view.entitlements.get(resource_key)
    if entry is None:
        return replace(view, entitlements={})
    keys = (resource_key, *entry.inherited_path)
    return replace(view, entitlements={key: view.entitlements[key] for key in keys if key in view.entitlements})
