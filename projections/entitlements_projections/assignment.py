"""Which partitions of the ledger this projector reads: membership in a consumer group, without reading anything by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from entitlements.ledger import clients

if TYPE_CHECKING:
    from confluent_kafka import Consumer, TopicPartition

    from entitlements.settings import Settings


class Membership:
    """A member of the group of projectors. It only learns what it is assigned; positions come from Postgres.

    `poll` must be called at least every few minutes, or the group goes on without it; then another projector may write
    first, and this one hears PositionMoved.
    """

    def __init__(self, settings: Settings, group: str = "projector") -> None:
        self._consumer = clients.member(settings, group)
        self.partitions: frozenset[int] = frozenset()
        self._consumer.subscribe(
            [settings.topic("ledger")], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def poll(self) -> frozenset[int]:
        """The partitions assigned now. Raises nothing while the broker is away: what was assigned stays until it says otherwise."""
        self._consumer.poll(0)
        return self.partitions

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.assign(partitions)
        consumer.pause(partitions)  # Nothing is fetched here: the ledger is read by LedgerTail.
        self.partitions = frozenset(assigned.partition for assigned in partitions)

    def _revoked(self, consumer: Consumer, _: list[TopicPartition]) -> None:
        consumer.unassign()
        self.partitions = frozenset()
