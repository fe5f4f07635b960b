"""Before a process works: wait for what it needs, and say at once what that is and what to do.

Kafka with our topics and Postgres with our tables are looked at side by side. Whatever can be put right outside of the process is
waited for; a setting that cannot be right, or topics that will never fit, end it.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import Final

from entitlements.errors import EntitlementsError, ServerIsAway
from entitlements.kafka.reaching import Broker, KafkaRefuses, connect
from entitlements.redacting import address_of_postgres, without_secrets
from entitlements.settings import Settings

#: The servers that each process needs, and whose tables there. The access log's keeper makes its tables itself.
NEEDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "engine": {"Kafka": ()},
    "publisher": {"Kafka": ()},
    "changes": {"Kafka": ()},
    "projector": {"Kafka": (), "Postgres": ("read models",)},
    "reconciler": {"Kafka": (), "Postgres": ("read models",)},
    "access-log": {"Kafka": (), "Postgres": ()},
    "api": {"Kafka": (), "Postgres": ("read models", "access log")},
    "registry": {},
}
#: Seconds after which it is said that there is no answer yet, between two looks (doubled from the first to the last), and
#: after which the same is said again.
SAY_WITHIN_FOR: Final = 1.5
LOOK_EVERY_FOR_MIN: Final = 0.1
LOOK_EVERY_FOR_MAX: Final = 2.0
SAY_AGAIN_AFTER_FOR: Final = 60.0
_ANSWER_FOR_MAX: Final = 10.0
#: Seconds for one connection where nobody waits for a server.
_CONNECT_FOR_MAX: Final = 3
_NAMES_MAX: Final = 3

_log = logging.getLogger(__name__)


class NotThereYet(EntitlementsError):
    """A dependency is not ready yet."""

    code = "not_there_yet"

    def __init__(self, sentence: str, code: str) -> None:
        Exception.__init__(self, sentence)
        self.code = code  # type: ignore[misc]  # That of the thing which is missing.


def wait_for_what_is_needed(name: str, settings: Settings, stopping: threading.Event) -> None:
    """Return when everything is there that a process needs, or stopping is set.

    Raises SettingIsWrong, TopicDiffers, MigrationError: it will never be.
    """
    waits = [_Wait(_Look(settings, server, tables), stopping) for server, tables in NEEDS[name].items()]
    for wait in waits:
        wait.start()
    for wait in waits:
        while wait.is_alive() and not stopping.is_set():
            wait.join(LOOK_EVERY_FOR_MIN)
        if wait.failure is not None:
            raise wait.failure


class _Wait(threading.Thread):
    """Looks again and again for one thing. Daemon: a look that hangs holds up nobody's end."""

    def __init__(self, look: _Look, stopping: threading.Event) -> None:
        super().__init__(name=f"waiting-for-{look.server}", daemon=True)
        self.failure: Exception | None = None
        self._look = look
        self._stopping = stopping
        self._said = ""
        self._say_again_at = 0.0

    def run(self) -> None:
        pause_for = LOOK_EVERY_FOR_MIN
        while not self._stopping.is_set():
            answering = threading.Timer(SAY_WITHIN_FOR, self._say, [self._look.no_answer])
            answering.daemon = True
            answering.start()
            try:
                self._look()
            except NotThereYet as missing:
                answering.cancel()
                self._say(missing)
            except Exception as error:  # noqa: BLE001  (The main thread raises it.)
                self.failure = error
                return
            else:
                if self._said:
                    _log.info("%s is ready.", self._look.server)
                return
            finally:
                answering.cancel()
            self._stopping.wait(pause_for)
            pause_for = min(2 * pause_for, LOOK_EVERY_FOR_MAX)

    def _say(self, missing: NotThereYet) -> None:
        sentence, now = str(missing), time.monotonic()
        if self._stopping.is_set() or (sentence == self._said and now < self._say_again_at):
            return
        self._said, self._say_again_at = sentence, now + SAY_AGAIN_AFTER_FOR
        _log.warning("Waiting for %s", sentence, extra={"code": missing.code})


class _Look:
    """Looks once for a server and for what we need there."""

    def __init__(self, settings: Settings, server: str, tables: tuple[str, ...]) -> None:
        self.server = server
        self._settings = settings
        self._tables = tables
        at = without_secrets(settings.kafka) if server == "Kafka" else address_of_postgres(settings.postgres)
        self._at = f"{server} at {at}"
        self._broker: Broker | None = None

    def __call__(self) -> None:
        """Raises NotThereYet: it may come; anything else: it will not."""
        if self.server == "Kafka":
            self._kafka()
        else:
            self._postgres()

    @property
    def no_answer(self) -> NotThereYet:
        """What is said while an answer is under way for long."""
        return NotThereYet(f"{self._at}: no response yet.", ServerIsAway.code)

    def _kafka(self) -> None:
        from entitlements.ledger.topics import missing_topics

        if self._broker is None:
            self._broker = Broker(self._settings)
        try:
            connect(self._settings)
            found = self._broker.topics(_ANSWER_FOR_MAX)
        except ServerIsAway as error:
            raise NotThereYet(f"{error.detail} Start it, or set ENTITLEMENTS_KAFKA.", error.code) from error
        except KafkaRefuses as error:
            raise NotThereYet(error.detail, error.code) from error
        if missing := missing_topics(self._settings, found):
            raise NotThereYet(
                f"topics: {self._at} has no {_some(missing)}. Run `entitlements topics`.", "topics_are_missing"
            )

    def _postgres(self) -> None:
        import psycopg

        from entitlements.access.log.tables import pending as pending_of_access_log
        from entitlements_projections.migrations import pending

        try:
            psycopg.connect(self._settings.postgres, connect_timeout=round(_ANSWER_FOR_MAX)).close()
            looks = {"read models": pending, "access log": pending_of_access_log}
            missing = {tables: looks[tables](self._settings.postgres) for tables in self._tables}
        except psycopg.OperationalError as error:
            raise NotThereYet(
                f"{self._at}: {_why(error)}. Start it, or set ENTITLEMENTS_POSTGRES.", ServerIsAway.code
            ) from error
        for tables, names in missing.items():
            if names is None:
                sentence, code = f"tables: {self._at} has no {tables}", "tables_are_missing"
            elif names:
                sentence, code = (
                    f"tables: {tables} in {self._at} need the migrations {_some(names)}",
                    "tables_are_behind",
                )
            else:
                continue
            raise NotThereYet(f"{sentence}. Run `entitlements migrate`.", code)


def require_postgres(settings: Settings) -> None:
    """Connect once. Raises ServerIsAway."""
    import psycopg
    from psycopg.conninfo import conninfo_to_dict, make_conninfo

    at = address_of_postgres(settings.postgres)
    within = conninfo_to_dict(settings.postgres).get("connect_timeout", _CONNECT_FOR_MAX)
    try:
        psycopg.connect(make_conninfo(settings.postgres, connect_timeout=within)).close()
    except psycopg.OperationalError as error:
        raise ServerIsAway(f"Postgres at {at}: {_why(error)}.") from error


def _why(error: Exception) -> str:
    """The reason alone, of what the client library says in several lines."""
    line = str(error).strip().splitlines()[0]
    for mark in ("failed: ", "FATAL: "):
        line = line.rpartition(mark)[2]
    return line.strip().rstrip(".")


def _some(names: list[str]) -> str:
    more = len(names) - _NAMES_MAX
    return ", ".join(names[:_NAMES_MAX]) + (f" and {more} more" if more > 0 else "")
