"""Usage that waits on disk until it is reported: it survives kill -9, and each line counts once.

A line is on disk when add() returns. A thread reports lines in batches, oldest first, as what happened already (mode "report"). Each
carries its usage_id, so one that is sent twice counts once. A line that the service will never take is put aside, with its reason.
When as much waits as may, or as the disk holds, add() raises BufferIsFull: what was taken is never dropped.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from entitlements_client.deciding.unique import new_id
from entitlements_client.errors import BufferIsFull, ClientIsClosed, OutcomeUnknown, RequestError
from entitlements_client.transport.call import key_of
from entitlements_client.transport.clients import Client, Service
from entitlements_client.transport.results import Line

LINES_WAITING_MAX: Final = 1_000_000
BATCH_MAX: Final = 5_000
#: Seconds between batches while lines wait, and the longest pause while the service is away.
EVERY: Final = 0.5
PAUSE_FOR_MAX: Final = 30.0
#: Lines that were put aside are kept at most so many, the newest.
ASIDE_MAX: Final = 10_000
#: Problems of a line that pass by themselves: nobody can say yet, or there is more than the service takes for now.
PASSING: Final = frozenset({
    "outcome_unknown", "service_is_away", "server_is_away", "not_reached_yet",
    "rate_limited", "too_many_requests", "too_many_usage_ids", "too_many_idempotency_keys",
})  # fmt: skip

_SCHEMA: Final = """
create table if not exists waiting (
  place integer primary key autoincrement,
  organization text not null,
  usage_id text not null,
  noted_at real not null,
  line text not null,
  unique (organization, usage_id)
);
create index if not exists waiting_of_organization on waiting (organization);
create table if not exists aside (
  place integer primary key autoincrement,
  organization text not null,
  usage_id text not null,
  put_aside_at real not null,
  code text not null,
  line text not null
);
create table if not exists counters (name text primary key, value integer not null);
insert or ignore into counters values ('waiting', (select count(*) from waiting)), ('reported', 0), ('put_aside', 0);
"""

#: From one to the next by the index: a million lines of one organization are one step.
_ORGANIZATIONS: Final = """
with recursive found (organization) as (
  select min(organization) from waiting
  union all
  select (select min(organization) from waiting where organization > found.organization)
  from found where organization is not null
)
select organization from found where organization is not null
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of reporting. oldest_for: seconds that the oldest line has waited; failure: why the last attempt failed, or empty."""

    waiting: int
    reported: int
    put_aside: int
    oldest_for: float
    failure: str


class UsageBuffer:
    """A usage buffer in a file. Safe to use from threads, and from several processes with the same file."""

    def __init__(self, path: str | Path, *, lines_max: int = LINES_WAITING_MAX) -> None:
        """lines_max: so many lines wait at most."""
        self._path, self._lines_max = Path(path), lines_max
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._pid, self._connection = os.getpid(), self._connect()
        self._stopping, self._something = threading.Event(), threading.Event()
        self._client: Client | None = None
        self._thread: threading.Thread | None = None
        self._failure = ""
        self._is_closed = False
        _all.add(self)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=10.0, isolation_level=None, check_same_thread=False)
        # A committed line survives the process; after a power failure the last moments may be gone, the file is whole.
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        connection.executescript(_SCHEMA)
        return connection

    @contextlib.contextmanager
    def _transaction(self, *, opens_again: bool = False) -> Iterator[sqlite3.Connection]:
        """opens_again: after close() too. Raises ClientIsClosed."""
        with self._lock, contextlib.ExitStack() as closing:
            if self._is_closed and not opens_again:
                raise ClientIsClosed
            if self._is_closed:
                connection = closing.enter_context(contextlib.closing(self._connect()))
            elif self._pid != os.getpid():
                # A forked child has to open the file itself.
                self._pid, self._connection = os.getpid(), self._connect()
                connection = self._connection
            else:
                connection = self._connection
            connection.execute("begin immediate")
            try:
                yield connection
                connection.execute("commit")
            except BaseException:
                if connection.in_transaction:  # A full disk has ended it already.
                    connection.execute("rollback")
                raise

    def add(self, line: Line, *, usage_id: str = "", organization: str = "") -> str:
        """Add a line: written to disk before this returns. Returns its id. The same id counts once in its organization.

        Without a time it occurred now. organization: the customer's organization, if it is not that of the key. Works after close()
        too: the line is reported after the next start. Raises BufferIsFull.
        """
        whole: Line = {**line, "usage_id": usage_id or line.get("usage_id") or new_id()}
        return self.add_all([whole], organization=organization)[0]

    def add_all(self, lines: Sequence[Line], *, organization: str = "") -> list[str]:
        """Add many lines, all or none. Raises BufferIsFull."""
        now = time.time()
        rows = [(organization, *_row(line, now)) for line in lines]
        try:
            self._add(rows)
        except sqlite3.OperationalError as error:  # The disk is full, or cannot be written to.
            raise BufferIsFull(f"{error}.") from error
        self._something.set()
        return [row[1] for row in rows]

    def _add(self, rows: Sequence[tuple[str, str, float, str]]) -> None:
        with self._transaction(opens_again=True) as connection:
            waiting = _counter(connection, "waiting")
            if waiting + len(rows) > self._lines_max:
                raise BufferIsFull(f"{waiting} lines are waiting.")
            before = connection.total_changes
            connection.executemany(
                "insert or ignore into waiting (organization, usage_id, noted_at, line) values (?, ?, ?, ?)", rows
            )
            _count(connection, "waiting", connection.total_changes - before)

    def progress(self) -> Progress:
        """Progress of reporting."""
        with self._transaction() as connection:
            oldest = connection.execute("select noted_at from waiting order by place limit 1").fetchone()
            return Progress(
                waiting=_counter(connection, "waiting"),
                reported=_counter(connection, "reported"),
                put_aside=_counter(connection, "put_aside"),
                oldest_for=0.0 if oldest is None else max(0.0, time.time() - oldest[0]),
                failure=self._failure,
            )

    def aside(self, lines_max: int = 100) -> list[dict[str, Any]]:
        """The newest lines that the service refused permanently, each with its reason code, and its organization if one was given."""
        with self._transaction() as connection:
            rows = connection.execute(
                "select organization, code, line from aside order by place desc limit ?", (lines_max,)
            )
            found = [(organization, {**json.loads(line), "code": code}) for organization, code, line in rows]
        return [line | {"organization": organization} if organization else line for organization, line in found]

    # --- Reporting ---

    def flush_to(self, service: Service) -> None:
        """Start reporting in the background."""
        self._client = Client(service, pause=self._stopping.wait)
        self._thread = threading.Thread(target=self._report, name="entitlements-usage", daemon=True)
        self._thread.start()

    def _report(self) -> None:
        """Report batches until stopping is set, then what waits if the service takes it at once."""
        pause_for = EVERY
        while not self._stopping.is_set():
            self._something.wait(EVERY)
            self._something.clear()
            try:
                has_more = self.flush()
                pause_for = EVERY
            except Exception as error:  # noqa: BLE001 - the disk may be full, an answer may be nonsense: nothing ends reporting.
                has_more, self._failure = False, str(error)
                _log.warning("usage not sent yet, retrying: %s", error)
                pause_for = min(2 * pause_for, PAUSE_FOR_MAX)
                self._stopping.wait(pause_for * random.uniform(0.5, 1.0))  # noqa: S311 - jitter.
            if not has_more:
                self._stopping.wait(EVERY)
        with contextlib.suppress(Exception):
            while self.flush():
                pass

    def flush(self, client: Client | None = None) -> bool:
        """Report one batch per organization; returns whether more is waiting. Raises the error of the service if it accepted no batch."""
        client = client or self._client
        assert client is not None, "somebody is told where to report: flush_to"
        with self._alone() as is_alone:
            if not is_alone:
                return False
            failure: Exception | None = None
            reported = 0
            has_more = False
            for organization in self._organizations():
                try:
                    has_more |= self._flush_of(organization, client)
                    reported += 1
                except Exception as error:  # noqa: BLE001 - the lines of the others do not wait for those of one.
                    failure = error
            self._failure = "" if failure is None else str(failure)
            if failure is not None and not reported:
                raise failure
            return has_more

    def _flush_of(self, organization: str, client: Client) -> bool:
        batch = self._oldest(organization)
        acting = client.acting_for(organization) if organization else client
        results = self._send(acting, [json.loads(line) for _, _, line in batch])
        self._settle(organization, batch, results)
        return len(batch) == BATCH_MAX

    def _send(self, client: Client, lines: list[Line]) -> list[dict[str, Any]]:
        key = key_of(*(line["usage_id"] for line in lines))
        try:
            return client.record_usage_batch(lines, idempotency_key=key)
        except RequestError as error:
            if error.status not in {400, 413, 422}:
                raise
            if len(lines) == 1:
                return [{"code": error.reason_code, "status": error.status}]
        # One line spoils the batch: find it by halves.
        half = len(lines) // 2
        return [*self._send(client, lines[:half]), *self._send(client, lines[half:])]

    def _organizations(self) -> list[str]:
        """Those with lines that wait."""
        with self._transaction() as connection:
            return [row[0] for row in connection.execute(_ORGANIZATIONS)]

    def _oldest(self, organization: str) -> list[tuple[int, str, str]]:
        with self._transaction() as connection:
            return connection.execute(
                "select place, usage_id, line from waiting indexed by waiting_of_organization"
                " where organization = ? order by place limit ?",
                (organization, BATCH_MAX),
            ).fetchall()

    def _settle(
        self, organization: str, batch: Sequence[tuple[int, str, str]], results: Sequence[dict[str, Any]]
    ) -> None:
        """Forget what was recorded, put aside what never will be; what may pass waits on."""
        now, done, refused = time.time(), [], []
        for (place, usage_id, line), result in zip(batch, results, strict=True):
            code = _problem(result)
            if code in PASSING:
                continue
            done.append((place,))
            if code:
                refused.append((organization, usage_id, now, code, line))
        with self._transaction() as connection:
            connection.executemany("delete from waiting where place = ?", done)
            connection.executemany(
                "insert into aside (organization, usage_id, put_aside_at, code, line) values (?, ?, ?, ?, ?)", refused
            )
            connection.execute("delete from aside where place <= (select max(place) from aside) - ?", (ASIDE_MAX,))
            _count(connection, "waiting", -len(done))
            _count(connection, "reported", len(done) - len(refused))
            _count(connection, "put_aside", len(refused))
        if refused:
            _log.error("%s lines of usage were rejected and set aside, the first with %s", len(refused), refused[0][3])
        if not done:
            raise OutcomeUnknown("No line of the batch was accepted.")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Of several processes with the same file one reports at a time."""
        file = os.open(self._path.with_name(self._path.name + ".reporting"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            yield False
            return
        try:
            yield True
        finally:
            os.close(file)

    def close(self) -> None:
        """Report what the service accepts at once. The rest stays on disk for the next start."""
        self._stopping.set()
        self._something.set()
        if self._thread is not None:
            self._thread.join(10.0)
        if self._client is not None:
            self._client.close()
        with self._lock:
            self._is_closed = True
            self._connection.close()


def _row(line: Line, now: float) -> tuple[str, float, str]:
    usage_id = str(line.get("usage_id") or new_id())
    occurred_at = datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")
    whole = {"occurred_at": occurred_at, **line, "usage_id": usage_id, "mode": "report"}
    return usage_id, now, json.dumps(whole, separators=(",", ":"), sort_keys=True)


def _problem(result: dict[str, Any]) -> str:
    """The code of what is wrong with a line; empty: it is recorded."""
    status = result.get("status", 200)
    is_problem = isinstance(status, int) and status >= 400
    return str(result.get("code") or "refused") if is_problem else ""


def _counter(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute("select value from counters where name = ?", (name,)).fetchone()[0])


def _count(connection: sqlite3.Connection, name: str, more: int) -> None:
    connection.execute("update counters set value = value + ? where name = ?", (more, name))


_all: weakref.WeakSet[UsageBuffer] = weakref.WeakSet()
#: Held while the process is forked, so that no child begins with a lock or a transaction that nobody in it ends.
_held: list[threading.Lock] = []


def _before_fork() -> None:
    for buffer in list(_all):
        buffer._lock.acquire()  # noqa: SLF001
        _held.append(buffer._lock)  # noqa: SLF001


def _after_fork() -> None:
    while _held:
        _held.pop().release()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
