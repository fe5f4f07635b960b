"""The two steps: what each reads, remembers and writes. No I/O: lane.py does that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, NamedTuple, Protocol, TypeVar

from entitlements.changes import codec, pools, workspaces
from entitlements.changes.facts import Cause, Fact, PoolEvent, Position, Unfit
from entitlements.changes.keys import Keys
from entitlements.changes.records import Outgoing
from entitlements.settings import FRAME_BYTES_MAX, RECORD_BYTES_MAX
from entitlements_schemas import CHANGE_PREFIX, EVENT_PREFIX, Wire, cloudevents

if TYPE_CHECKING:
    from entitlements.changes.keys import Key
    from entitlements.changes.records import Incoming
    from entitlements.settings import Settings

R = TypeVar("R")
W = TypeVar("W")

SOURCE: Final = "entitlements/changes"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

#: What of the events is no business of ours, as the CloudEvents header says it: skipped before decoding.
_IRRELEVANT: Final = frozenset(
    f"{EVENT_PREFIX}{name}".encode()
    for name in (
        "BackfillEnded", "EntitlementSetDefined", "GrantExpired", "GrantIssued", "GrantRevoked", "PoolResumed",
        "LadderDefined", "PoolSuspended", "ProvisionEndScheduled", "ProvisionEndWithdrawn", "ProvisionEnded", "ProvisionResumed", "ProvisionScheduled",
        "ProvisionStarted", "ProvisionSuspended", "ResourceKeyDefined",
    )
)  # fmt: skip


class RecordIsTooLarge(Unfit):
    """The record is too large."""

    code: ClassVar[str] = "record_is_too_large"


class NoValue(Unfit):
    """The record has no value; this topic has no deletes."""

    code: ClassVar[str] = "no_value"


class UnexpectedRecord(Unfit):
    """The record type does not belong in this topic."""

    code: ClassVar[str] = "unexpected_record"


class NoPosition(Unfit):
    """The headers have no ledger position."""

    code: ClassVar[str] = "no_position"


class WrongPlace(Unfit):
    """The record has the wrong key or partition."""

    code: ClassVar[str] = "wrong_place"


class Work(NamedTuple, Generic[W]):
    """Something to be done, and the key of the row that it is about."""

    key: bytes
    what: W


class Step(Protocol[R, W]):
    """Reads one topic; keeps one row a key; writes one topic."""

    name: str
    #: What follows, as spans call it.
    follow: str
    topic: str
    rows_topic: str
    bytes_max: int

    def read(self, message: Incoming) -> Work[W] | None:
        """What is to be done; None: nothing. Raises Unfit or a WireError for the quarantine."""

    def row(self, value: bytes | None) -> R:
        """The row from its bytes; None: a new one."""

    def row_to_bytes(self, row: R) -> bytes:
        """The bytes of a row."""

    def apply(self, row: R, work: Work[W], offset: int) -> list[Outgoing]:
        """Do it: the row takes it in, and the result is what follows, in order. An error leaves the row as it was."""


class Pools:
    """Step 1: events to facts, one row a pool."""

    name = "pools"
    follow = "facts"
    bytes_max = RECORD_BYTES_MAX

    def __init__(self, settings: Settings, wire: Wire) -> None:
        self.topic = settings.topic("events")
        self.rows_topic = settings.topic("changes-pools")
        self._facts_topic = settings.topic("changes-facts")
        self._wire, self._keys = wire, Keys(wire, settings.partitions)

    def read(self, message: Incoming) -> Work[PoolEvent] | None:
        headers = dict(message.headers or ())
        if headers.get("ce_type") in _IRRELEVANT:
            return None
        _require_size(message, self.bytes_max)
        name, record = self._wire.decode_plain(message.value)
        if not name.startswith(EVENT_PREFIX):
            raise UnexpectedRecord(name)
        short = name.removeprefix(EVENT_PREFIX)
        if short not in pools.RELEVANT:
            return None
        pool_id: str = record["originator_id"]
        position = _position(headers, message.partition)
        if message.key != pool_id.encode():
            raise WrongPlace(f"The event of pool {pool_id!r} has another key.")
        event_id = f"pool/{pool_id}/{record['originator_version']}"
        cause = Cause(event_id, pool_id, record["timestamp"], message.partition, position)
        return Work(message.key, PoolEvent(short, record, cause))

    def row(self, value: bytes | None) -> pools.PoolRow:
        return codec.pool_from_bytes(value)

    def row_to_bytes(self, row: pools.PoolRow) -> bytes:
        return codec.pool_to_bytes(row)

    def apply(self, row: pools.PoolRow, work: Work[PoolEvent], offset: int) -> list[Outgoing]:
        del offset  # A pool's rows stand at positions of the ledger: the publisher may repeat events.
        following = [self._outgoing(fact) for fact in pools.facts_of(row, work.what)]
        pools.take_in(row, work.what)
        return following

    def _outgoing(self, fact: Fact) -> Outgoing:
        key = self._keys.of(fact.customer)
        headers = [("content-type", b"application/json"), ("ce_id", fact.cause.event_id.encode())]
        return Outgoing(self._facts_topic, key.partition, key.body, codec.fact_to_bytes(fact), headers)


class Workspaces:
    """Step 2: facts to changes, one row a workspace of an organization."""

    name = "workspaces"
    follow = "changes"
    bytes_max = FRAME_BYTES_MAX

    def __init__(self, settings: Settings, wire: Wire) -> None:
        self.topic = settings.topic("changes-facts")
        self.rows_topic = settings.topic("changes-workspaces")
        self._changes_topic = settings.topic("changes")
        self._wire, self._keys = wire, Keys(wire, settings.partitions)

    def read(self, message: Incoming) -> Work[Fact]:
        _require_size(message, self.bytes_max)
        fact = codec.fact_from_bytes(message.value)
        key = self._keys.of(fact.customer)
        if message.key != key.body or message.partition != key.partition:
            raise WrongPlace(f"The fact about {fact.customer} has another key or partition.")
        return Work(key.body, fact)

    def row(self, value: bytes | None) -> workspaces.WorkspaceRow:
        return codec.workspace_from_bytes(value)

    def row_to_bytes(self, row: workspaces.WorkspaceRow) -> bytes:
        return codec.workspace_to_bytes(row)

    def apply(self, row: workspaces.WorkspaceRow, work: Work[Fact], offset: int) -> list[Outgoing]:
        key = self._keys.of(work.what.customer)
        following = [self._outgoing(key, change) for change in workspaces.changes_of(row, work.what, offset)]
        workspaces.take_in(row, work.what, offset)
        return following

    def _outgoing(self, key: Key, change: workspaces.Change) -> Outgoing:
        record: Any = change.record
        headers = cloudevents.headers(
            id=record["change_id"],
            type=change.public_type,
            source=SOURCE,
            time=_EPOCH + timedelta(milliseconds=record["effective_at"]),
            subject=record["customer_id"],
            organization=record["organization_id"],
        )
        value = self._wire.encode_plain(CHANGE_PREFIX + change.name, record)
        return Outgoing(self._changes_topic, key.partition, key.framed, value, headers)


def _require_size(message: Incoming, bytes_max: int) -> None:
    if message.value is None:
        raise NoValue
    if len(message.value) > bytes_max:
        raise RecordIsTooLarge(f"{len(message.value)} bytes; the maximum is {bytes_max}.")


def _position(headers: dict[str, bytes | None], partition: int) -> Position:
    try:
        stands_in, offset, index = (
            int((headers[name] or b"").decode("ascii"))
            for name in ("ledger_partition", "ledger_offset", "ledger_index")
        )
    except (KeyError, ValueError) as error:
        raise NoPosition(f"{type(error).__name__}: {error}") from error
    if stands_in != partition:
        raise WrongPlace(f"The event is from ledger partition {stands_in} but was read from partition {partition}.")
    return Position(offset, index)
