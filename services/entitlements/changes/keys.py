"""What a customer is called on Kafka: the keys of its facts, rows and changes, and the one partition that has all of them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from entitlements.ledger.partitioning import partition_of_bytes
from entitlements_schemas.catalogue import CUSTOMER_KEY
from entitlements_schemas.wire import PREFIX_BYTES

if TYPE_CHECKING:
    from entitlements.changes.facts import Customer
    from entitlements_schemas import Wire

#: Customers whose keys are remembered: some 500 bytes each.
KEYS_MAX: Final = 100_000


class Key(NamedTuple):
    """body: the Avro record, for our own topics. framed: the same under its schema id, for `entitlements.changes`."""

    body: bytes
    framed: bytes
    partition: int


class Keys:
    """Makes keys. The partition follows from the body alone: the ids of another registry move no customer."""

    def __init__(self, wire: Wire, partitions: int) -> None:
        self._wire, self._partitions = wire, partitions
        self.of = lru_cache(KEYS_MAX)(self._make)

    def _make(self, customer: Customer) -> Key:
        record = {"organization_id": customer.organization_id, "customer_id": customer.workspace_id}
        framed = self._wire.encode_plain(CUSTOMER_KEY, record)
        body = framed[PREFIX_BYTES:]
        return Key(body, framed, partition_of_bytes(body, self._partitions))
