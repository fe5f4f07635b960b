from datetime import UTC, datetime
from types import SimpleNamespace

from entitlements.changes.records import Quarantine
from entitlements.changes.watchdog import Look, Standstill
from entitlements.settings import Settings
from entitlements_schemas import Wire

HERE, THERE = ("events", 0), ("events", 1)


# --- The watchdog bites only who stands still --------------------------------------------------------------------------


def test_a_partition_that_has_work_and_does_not_move_stands_still_after_a_while() -> None:
    standstill = Standstill(limit_for=60)
    looks = {HERE: Look(committed=5, first=0, end=9), THERE: Look(committed=9, first=0, end=9)}
    assert standstill.see(looks, now=0) == []
    assert standstill.see(looks, now=60) == []
    assert standstill.see(looks, now=61) == [HERE]


def test_any_progress_starts_the_clock_anew() -> None:
    standstill = Standstill(limit_for=60)
    standstill.see({HERE: Look(5, 0, 9)}, now=0)
    assert standstill.see({HERE: Look(6, 0, 9)}, now=59) == []
    assert standstill.see({HERE: Look(6, 0, 9)}, now=100) == []
    assert standstill.see({HERE: Look(6, 0, 9)}, now=120) == [HERE]


def test_work_that_comes_after_a_long_rest_is_not_late_at_once() -> None:
    standstill = Standstill(limit_for=60)
    standstill.see({HERE: Look(9, 0, 9)}, now=0)
    assert standstill.see({HERE: Look(9, 0, 10)}, now=1000) == []


def test_records_that_retention_removed_are_no_work() -> None:
    assert not Look(committed=-1001, first=0, end=0).has_work
    assert not Look(committed=3, first=9, end=9).has_work
    assert Look(committed=-1001, first=0, end=1).has_work


def test_a_broker_that_does_not_answer_is_nobodys_standstill() -> None:
    standstill = Standstill(limit_for=60)
    standstill.see({HERE: Look(5, 0, 9)}, now=0)
    standstill.forget()
    assert standstill.see({HERE: Look(5, 0, 9)}, now=100) == []


# --- What the quarantine is told ---------------------------------------------------------------------------------------


def test_a_record_larger_than_the_quarantine_takes_is_cut_and_says_so() -> None:
    wire = Wire()
    message = SimpleNamespace(
        topic="events", partition=1, offset=2, timestamp=3.0, key=b"k", value=b"v" * 500_000, headers=[("h", None)]
    )
    quarantine = Quarantine(Settings(kafka="nowhere:1"), wire, 100_000)
    made = quarantine.record(message, code="record_is_too_large", reason="Too large.", now=datetime.now(UTC))
    assert len(made.value) <= 100_000
    record = wire.decode_plain(made.value).record
    assert record["value"] == b"v" * len(record["value"])
    assert record["message"] == "Too large. Of its value only the first bytes of 500000 are here."
    assert (record["topic"], record["partition"], record["offset"], record["recorded_at"]) == ("events", 1, 2, 3000)
    assert made.key == b"events/1/2"
