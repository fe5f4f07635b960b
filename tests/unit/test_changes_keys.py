"""What a customer is called on Kafka, and where it is."""

from __future__ import annotations

import pytest

from entitlements.changes.facts import Customer
from entitlements.changes.keys import Keys
from entitlements.ledger.partitioning import murmur2
from entitlements_schemas import Wire, catalogue
from entitlements_schemas.wire import PREFIX_BYTES

PARTITIONS = 1_000
KEYS = Keys(Wire(), PARTITIONS)
ADA = Customer("acme", "ada")


def test_a_key_is_the_record_of_organization_and_customer_under_its_schema() -> None:
    assert Wire().decode(KEYS.of(ADA).framed) == (
        catalogue.CUSTOMER_KEY,
        {"organization_id": "acme", "customer_id": "ada"},
    )
    assert KEYS.of(ADA).body == KEYS.of(ADA).framed[PREFIX_BYTES:]


@pytest.mark.parametrize(
    "other", [("rival", "ada"), ("acm", "eada"), ("acmea", "da"), ("", "acmeada"), ("ada", "acme")]
)
def test_no_two_customers_have_the_same_key(other: tuple[str, str]) -> None:
    assert KEYS.of(Customer(*other)).body != KEYS.of(ADA).body


def test_the_partition_follows_from_what_is_in_the_key_whatever_ids_a_registry_gives() -> None:
    elsewhere = Wire({(entry.name, entry.version): number for number, entry in enumerate(catalogue.entries(), 1)})
    here, there = KEYS.of(ADA), Keys(elsewhere, PARTITIONS).of(ADA)
    assert there.framed != here.framed
    assert (there.body, there.partition) == (here.body, here.partition)
    assert here.partition == (murmur2(here.body) & 0x7FFFFFFF) % PARTITIONS
