"""One command's connections: send a command and wait for its outcome, then for the read models to show it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from entitlements.cli import output
from entitlements.cli.failures import Refused
from entitlements.cli.options import ORGANIZATION_VARIABLE
from entitlements.errors import OutcomeUnknown, ServerIsAway, UnknownKey, UnknownPool

if TYPE_CHECKING:
    from entitlements.domain.commands import Command
    from entitlements.ledger.caller import Caller, Outcome
    from entitlements_projections.database import Connection

Asked = TypeVar("Asked", bound="Command")

#: Seconds to wait for the read models to show a change.
VISIBLE_WITHIN_FOR: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class Done:
    """A command that was accepted."""

    outcome: Outcome
    #: Whether the read models show it; None: nobody waited for them.
    visible: bool | None
    idempotency_key: str | None

    def document(self, **facts: Any) -> dict[str, Any]:
        """As JSON has it."""
        outcome = self.outcome
        return {
            "status": outcome.status,
            "repeated": outcome.repeated,
            **facts,
            "version": outcome.version,
            "position": {"partition": outcome.partition, "offset": outcome.frame_offset},
            "visible": self.visible,
            "command_id": outcome.command_id,
            "idempotency_key": self.idempotency_key,
        }


class Session:
    """Opens what is asked for, once, and closes it at the end."""

    def __init__(self, data: Path, organization: str | None = None) -> None:
        """organization: whose pools are known; None: that of ENTITLEMENTS_ORGANIZATION, if any. Raises NoInstallation."""
        from entitlements.wiring.addresses import require_named, settings_at
        from entitlements.wiring.environment import unknown_variables

        for sentence in unknown_variables():
            output.note(sentence)
        self.settings = settings_at(data)
        require_named(data, "kafka", "postgres")
        self.organization = os.environ.get(ORGANIZATION_VARIABLE, "") if organization is None else organization
        self._data = data
        self._stack = ExitStack()

    def close(self) -> None:
        """Close what was opened."""
        self._stack.close()

    def require_kafka(self) -> None:
        """Raises NoInstallation, ServerIsAway."""
        from entitlements.kafka.reaching import require_kafka
        from entitlements.wiring.addresses import require_named

        require_named(self._data, "kafka")
        require_kafka(self.settings)

    def require_postgres(self) -> None:
        """Raises NoInstallation."""
        from entitlements.wiring.addresses import require_named

        require_named(self._data, "postgres")

    @cached_property
    def caller(self) -> Caller:
        """A caller of the engine. Raises NoInstallation, ServerIsAway."""
        from entitlements.ledger.caller import Caller

        self.require_kafka()
        return self._stack.enter_context(Caller(self.settings))

    @cached_property
    def database(self) -> Connection:
        """A connection that sees the read models. Raises NoInstallation, ServerIsAway."""
        import psycopg

        from entitlements_projections.database import connect

        self.require_postgres()
        try:
            connection = connect(self.settings.postgres)
        except psycopg.OperationalError as error:
            raise ServerIsAway(f"Postgres at {address_of_postgres(self.settings.postgres)}: {_why(error)}") from error
        self._stack.callback(connection.close)
        return connection

    def do(self, command: Command, *, wait: bool = True, retry: str = "") -> Done:
        """Send a command; return when it was accepted and, with wait, when the read models show it.

        Raises Refused, UnknownPool, OutcomeUnknown saying how to retry, ServerIsAway.
        """
        from entitlements.domain.commands import OpenPool, PoolCommand
        from entitlements.domain.errors import CommandRefused
        from entitlements.domain.ids import check_chosen
        from entitlements.intake.looking import check_beside, is_looked_at

        if isinstance(command, PoolCommand) and not isinstance(command, OpenPool):
            self.require_own(command.pool_id)
        try:
            check_chosen(command)
            if is_looked_at(command):
                check_beside(self.database, command)
        except CommandRefused as error:
            raise Refused(error.code, str(error)) from error
        if wait:
            _ = self.database  # Better to hear now that it is away.
        try:
            outcome = self.caller.call(command)
        except OutcomeUnknown as error:
            key = command.idempotency_key
            how = retry or (f"Retry with --idempotency-key {key}." if key else "Retry: it takes effect once.")
            raise _unknown(error, how, key) from error
        if outcome.status == "refused" and not outcome.refused_lines:
            raise Refused(outcome.code, outcome.message)
        visible = self.is_visible(outcome.partition, outcome.frame_offset) if wait else None
        return Done(outcome=outcome, visible=visible, idempotency_key=command.idempotency_key)

    def is_visible(self, partition: int, offset: int) -> bool:
        """Wait until the read models show a position of the ledger; whether they did in time."""
        from entitlements_projections import reading
        from entitlements_projections.errors import NotReachedYet

        try:
            reading.wait_for(self.database, partition, offset, VISIBLE_WITHIN_FOR)
        except NotReachedYet as error:
            output.note(f"Accepted, but not visible in the read models yet: {error}")
            return False
        return True

    def catch_up(self, pool_ids: Iterable[str]) -> None:
        """Wait until the read models have what was decided of some pools until now, or say that they have not. Raises ServerIsAway."""
        from entitlements.ledger.ends import TopicEnds
        from entitlements.ledger.partitioning import partition_of

        partitions = sorted({partition_of(pool_id, self.settings.partitions) for pool_id in pool_ids})
        ends = TopicEnds(self.settings, within_for=VISIBLE_WITHIN_FOR).of("ledger", partitions)
        for partition, end in ends.items():
            if end:
                self.is_visible(partition, end - 1)

    def with_set(self, kind: type[Asked], facts: dict[str, Any]) -> Asked:
        """A command about a set, with what the set says where the facts say nothing. Raises UnknownSet."""
        return kind(**self.filled_in(kind, facts))

    def filled_in(self, kind: type[Command], facts: dict[str, Any]) -> dict[str, Any]:
        """The facts of a command with what its sets say where they say nothing. Raises UnknownSet, LadderMismatch, UnknownLadder."""
        from entitlements.intake.sets import looked_up

        return looked_up(self.database, kind, facts)

    def require_own(self, pool_id: str) -> None:
        """Raises UnknownPool: an organization is chosen, and the pool is known to be another's."""
        from entitlements_projections import reading

        if not self.organization:
            return
        if reading.organization_of_pool(self.database, pool_id) not in {None, self.organization}:
            error = UnknownPool(f"{pool_id} of organization {self.organization}.")
            error.advice = f"Check --organization and the variable {ORGANIZATION_VARIABLE}."  # type: ignore[attr-defined]
            raise error

    def require_pool(self, pool_id: str) -> dict[str, Any]:
        """A pool as the read models have it now. Raises UnknownPool."""
        from datetime import UTC, datetime

        from entitlements_projections import reading

        self.require_own(pool_id)
        found = reading.pool(self.database, pool_id, datetime.now(UTC))
        if found is None:
            raise UnknownPool(f"{pool_id}.")
        return found

    def require_key(self, resource_key: str) -> dict[str, Any]:
        """The description of a key. Raises UnknownKey when the read models do not know it."""
        from entitlements_projections import reading

        found = reading.resource_key(self.database, resource_key)
        if found is None:
            raise UnknownKey(f"{resource_key}.")
        return found


@contextmanager
def session(data: Path, organization: str | None = None) -> Iterator[Session]:
    """A session for one command. organization: that of its --organization, if it has one."""
    opened = Session(data, organization)
    try:
        yield opened
    finally:
        opened.close()


def envelope(actor: str, key: str) -> dict[str, Any]:
    """What every command carries: its id, who asks, and the key that makes a repeat harmless."""
    from entitlements.cli import values
    from entitlements.ledger.caller import new_id

    return {
        "command_id": new_id(),
        "actor": values.actor(actor),
        "idempotency_key": values.id_of("idempotency key", key) if key else new_id(),
    }


def report(done: Done, sentence: str, *, as_json: bool, **facts: Any) -> None:
    """Say that a command is done. sentence: markup, in which what people named stands by `output.strong` or `output.literal`."""
    if as_json:
        output.document(done.document(**facts))
    else:
        output.say(sentence + (" [dim](Already done.)[/dim]" if done.outcome.repeated else ""))


def change(
    command: type,
    sentence: str | Callable[[Session, Done], str],
    which: Mapping[str, str],
    reason: str,
    at: str,
    way: tuple[str, str, bool, bool],
    data: Path,
    **more: Any,
) -> None:
    """Send a command about a pool, or about a provision of one, and report it.

    sentence: markup, or what makes it when the command is done. which: ids by their fields. way: actor, idempotency key, whether not
    to wait for the read models, whether to print JSON. more: further fields of the command.
    """
    from entitlements.cli import values

    actor, key, no_wait, as_json = way
    ids = {field: values.id_of(field.removesuffix("_id"), given) for field, given in which.items()}
    asked = command(**envelope(actor, key), **ids, reason=reason, effective_at=values.instant(at), **more)
    with session(data) as opened:
        done = opened.do(asked, wait=not no_wait)
        report(done, sentence(opened, done) if callable(sentence) else sentence, as_json=as_json, **which)


def conferred_by(command: Command, done: Done, *names: str) -> dict[str, Any]:
    """What a set was found to say; nothing when it was so already: it may have said something else then."""
    return {} if done.outcome.repeated else {name: getattr(command, name) for name in names}


def set_named(set_id: str, conferred: dict[str, Any]) -> str:
    """A set with its version, where that is known, as markup."""
    return output.literal(f"{set_id} v{conferred['set_version']}" if conferred else set_id)


def address_of_postgres(url: str) -> str:
    """Host, port and database of a connection string, without its password."""
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(url)
    return f"{parts.get('host', 'localhost')}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


def _why(error: Exception) -> str:
    """What the client library says, without its questions."""
    return str(error).strip().splitlines()[0].rpartition(": ")[2]


def _unknown(error: OutcomeUnknown, how: str, key: str | None) -> OutcomeUnknown:
    told = OutcomeUnknown()
    told.advice = how  # type: ignore[attr-defined]
    told.facts = {"idempotency_key": key, "detail": str(error)}  # type: ignore[attr-defined]
    return told
