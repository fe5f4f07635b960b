"""Dates and instants in a context: as they are where it is decided in process, as JSON where the service decides. Both decide alike."""

import json
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from asking import judged

from entitlements_client.deciding import Context, Request
from entitlements_client.deciding.instants import plain
from entitlements_client.errors import RequestError
from entitlements_client.transport.methods import ask

AT = datetime(2026, 6, 16, 14, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("operator", "value", "holds"),
    [
        ("before", "2026-06-16T12:00:01Z", True), ("after", "2026-06-16T12:00:00Z", False),
        ("equals", "2026-06-16T12:00:00Z", True), ("starts_with", "2026-06-16", True), ("greater_than", 5, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["metadata.at", "metadata.order.at", "customer.at"])
def test_an_instant_is_judged_as_the_text_that_the_service_gets(
    field: str, operator: str, value: Any, *, holds: bool
) -> None:
    context = {"metadata": {"at": AT, "order": {"at": AT}}, "customer": {"at": AT}}
    condition = {"field": field, "operator": operator, "value": value}
    sent = json.loads(ask(Request("c1", "f", context=Context(**context))).content() or b"")["context"]
    assert judged(condition, context) is judged(condition, sent) is holds


def test_an_instant_in_a_list_and_the_time_of_the_request_are_texts_too() -> None:
    listed = {"field": "metadata.all", "operator": "contains", "value": "2026-06-16T12:00:00Z"}
    assert judged(listed, {"metadata": {"all": [AT]}})
    made = {"field": "request.timestamp", "operator": "equals", "value": "2026-06-16T12:00:00Z"}
    assert judged(made, {"timestamp": AT})


def test_a_date_is_a_text_and_without_a_time_zone_nobody_knows_when_an_instant_is() -> None:
    assert [plain(each) for each in (date(2026, 6, 16), AT.replace(tzinfo=None), AT, "x", 5)] == [
        "2026-06-16", "2026-06-16T14:00:00", "2026-06-16T12:00:00Z", "x", 5,
    ]  # fmt: skip
    before = {"field": "metadata.at", "operator": "before", "value": "2030-01-01T00:00:00Z"}
    assert judged(before, {"metadata": {"at": datetime(2026, 1, 1, tzinfo=UTC)}})
    assert not judged(before, {"metadata": {"at": datetime(2026, 1, 1)}})  # noqa: DTZ001


@pytest.mark.parametrize("odd", [{1, 2}, object(), b"bytes", float("nan")], ids=["set", "object", "bytes", "nan"])
def test_what_is_no_json_is_refused_before_it_is_sent(odd: Any) -> None:
    with pytest.raises(RequestError):
        ask(Request("c1", "f", context=Context(metadata={"odd": odd}))).content()
