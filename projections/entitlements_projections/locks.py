"""Waiting for locks that others hold: for a short while at a time, bounded in all, with the name of the one who holds it.

Whoever waits for a strong lock makes all who come later wait too. So a wait is given up after LOCK_WAIT_FOR, those behind
it go on, and it is tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeVar

import psycopg

from entitlements_projections.database import Connection, connect
from entitlements_projections.errors import LockIsHeld

#: Seconds for one wait, between two, and until the whole is given up.
LOCK_WAIT_FOR: Final = 2.0
PAUSE_FOR: Final = 0.5
GIVE_UP_AFTER_FOR: Final = 60.0
_LOOK_EVERY_FOR: Final = 0.25

_BLOCKERS: Final = """
select a.pid, coalesce(a.usename::text, a.backend_type, 'a process of the server'), coalesce(a.application_name, '')
from unnest(pg_blocking_pids(%s)) as blocking (pid) join pg_stat_activity a using (pid)
order by a.pid"""

_log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass
class Blockers:
    """Who held what a connection waited for, when it was looked at last."""

    pids: list[int] = field(default_factory=list)
    text: str = "another session"


def patiently(
    conninfo: str, connection: Connection, step: Callable[[], T], *, give_up_after_for: float | None = None
) -> T:
    """Run a step that needs locks, again and again while others hold them; what it returns.

    A step is safe to repeat: a failed one has left nothing. give_up_after_for: seconds; None: GIVE_UP_AFTER_FOR. Raises
    LockIsHeld, and what the step raises.
    """
    give_up_after_for = GIVE_UP_AFTER_FOR if give_up_after_for is None else give_up_after_for
    started, last = time.monotonic(), ""
    wait_for = min(LOCK_WAIT_FOR, max(give_up_after_for, 0.1))
    connection.execute("select set_config('lock_timeout', %s, false)", (f"{wait_for * 1000:.0f}ms",))
    while True:
        with _watched(conninfo, connection.info.backend_pid, wait_for / 2) as blockers:
            try:
                return step()
            except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected) as error:
                failed = error
        if time.monotonic() - started >= give_up_after_for:
            raise LockIsHeld(_sentence(blockers, time.monotonic() - started)) from failed
        if blockers.text != last:
            _log.warning("Waiting for a lock that is held by %s.", blockers.text)
            last = blockers.text
        time.sleep(PAUSE_FOR)


def _sentence(blockers: Blockers, waited_for: float) -> str:
    ends = " ".join(f"select pg_terminate_backend({pid});" for pid in blockers.pids)
    what = f"As an administrator run `{ends}`, then repeat." if ends else "Repeat."
    return f"It is held by {blockers.text}, for {waited_for:.0f} s. {what}"


@contextmanager
def _watched(conninfo: str, pid: int, after_for: float) -> Iterator[Blockers]:
    """Look who blocks a session, once it has taken so many seconds."""
    blockers, is_done = Blockers(), threading.Event()

    def watch() -> None:
        if is_done.wait(after_for):
            return
        try:
            with closing(connect(conninfo)) as watcher:
                while True:
                    found = watcher.execute(_BLOCKERS, (pid,)).fetchall()
                    if found:
                        blockers.pids = [row[0] for row in found]
                        blockers.text = ", ".join(_described(*row) for row in found)
                    if is_done.wait(_LOOK_EVERY_FOR):
                        return
        except psycopg.Error as error:  # A name is a courtesy.
            _log.debug("Blockers are not known: %s", error)

    thread = threading.Thread(target=watch, name="blockers", daemon=True)
    thread.start()
    try:
        yield blockers
    finally:
        is_done.set()
        thread.join()


def _described(pid: int, role: str, application: str) -> str:
    return f"{role} (application {application}, process {pid})" if application else f"{role} (process {pid})"
