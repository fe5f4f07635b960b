"""The headers beside a record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from entitlements_schemas import cloudevents, names

NOON = datetime(2026, 3, 1, 12, 0, 0, 5999, tzinfo=UTC)


def test_the_headers_are_those_of_the_kafka_binding_in_binary_mode() -> None:
    made = cloudevents.headers(
        id="pool/p-1/7", type="entitlement.granted", source="/entitlements", time=NOON, subject="customer-1"
    )
    assert made == [
        ("content-type", b"application/avro"),
        ("ce_specversion", b"1.0"),
        ("ce_id", b"pool/p-1/7"),
        ("ce_type", b"entitlement.granted"),
        ("ce_source", b"/entitlements"),
        ("ce_time", b"2026-03-01T12:00:00.005Z"),
        ("ce_subject", b"customer-1"),
    ]


def test_time_is_given_in_utc_whatever_zone_it_came_in() -> None:
    here = NOON.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert ("ce_time", b"2026-03-01T12:00:00.005Z") in cloudevents.headers(id="1", type="t", source="s", time=here)


def test_extensions_are_attributes_too() -> None:
    made = cloudevents.headers(id="1", type="t", source="s", time=NOON, partitionkey="p")
    assert ("ce_partitionkey", b"p") in made
    assert "ce_subject" not in dict(made)


@pytest.mark.parametrize("missing", ["id", "type", "source"])
def test_an_event_without_id_type_or_source_is_none(missing: str) -> None:
    given = {"id": "1", "type": "t", "source": "s", missing: ""}
    with pytest.raises(ValueError, match="CloudEvent"):
        cloudevents.headers(**given, time=NOON)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        cloudevents.headers(id="1", type="t", source="s", time=NOON.replace(tzinfo=None))


def test_an_extension_has_a_plain_name() -> None:
    with pytest.raises(ValueError, match="partition_key"):
        cloudevents.headers(id="1", type="t", source="s", time=NOON, partition_key="p")


def test_attributes_are_read_back_and_other_headers_left_alone() -> None:
    made = cloudevents.headers(id="ä", type="t", source="s", time=NOON)
    read = cloudevents.attributes([*made, ("ledger_offset", b"3"), ("ce_bad", b"\xff"), ("ce_null", None)])
    assert read["id"] == "ä"
    assert set(read) == {"specversion", "id", "type", "source", "time"}
    assert cloudevents.attributes(None) == {}


def test_every_change_has_a_public_type_and_every_other_record_its_own_name() -> None:
    assert {cloudevents.type_of(name) for name in names("changes")} == {
        "entitlement.granted",
        "entitlement.revoked",
        "entitlement.changed",
        "quota.warning",
        "quota.exceeded",
        "quota.exceeded_withdrawn",
        "quota.reset",
    }
    assert cloudevents.type_of("entitlements.events.QuotaExceeded") == "entitlements.events.QuotaExceeded"
