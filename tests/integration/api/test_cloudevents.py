"""Usage as CloudEvents 1.0: every form of the HTTP binding, refused one by one, counted once."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

SINGLE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


def event(tenant: Any, number: int | str, quantity: int = 1, **data: Any) -> dict[str, Any]:
    said = {"resource_key": "api_calls", "quantity": quantity} | data
    attributes = {
        "id": f"e-{number}",
        "source": f"/gw/{tenant.pool_id}",
        "type": "com.example.call",
        "specversion": "1.0",
    }
    return attributes | {"subject": tenant.customer_id, "data": said}


def send(tenant: Any, body: Any, content_type: str = BATCH) -> Any:
    return tenant.http.post("/v1/events", json=body, headers={"content-type": content_type})


def consumed(tenant: Any, answer: Any) -> Any:
    return tenant.check("api_calls", answer.headers["entitlements-consistency"])["consumed"]


def test_single_and_binary_and_batch_mean_the_same(tenant: Any) -> None:
    assert send(tenant, event(tenant, 1), SINGLE).json() == {"accepted": 1, "refused": []}
    told = event(tenant, 2)
    headers = {f"ce-{name}": told[name] for name in ("id", "source", "type", "specversion", "subject")}
    binary = tenant.http.post("/v1/events", json=told["data"], headers=headers)
    assert binary.json() == {"accepted": 1, "refused": []}
    answer = send(tenant, [event(tenant, n) for n in (1, 2, 3)])
    assert answer.json() == {"accepted": 3, "refused": []}
    assert consumed(tenant, answer) == 3  # The first two were there already.


def test_events_of_two_sources_are_two_wherever_the_one_ends(tenant: Any) -> None:
    parts = (("/gw#eu", "1"), ("/gw", "eu#1"))
    events = [event(tenant, 1) | {"source": source, "id": event_id} for source, event_id in parts]
    assert send(tenant, events).json() == {"accepted": 2, "refused": []}
    assert consumed(tenant, send(tenant, events)) == 2
    many = [one | {"id": one["id"] + "x" * 200} for one in events]
    send(tenant, many)
    assert consumed(tenant, send(tenant, many)) == 4


def test_ten_thousand_events_are_one_call(tenant: Any) -> None:
    answer = send(tenant, [event(tenant, n) for n in range(10_000)])
    assert answer.json() == {"accepted": 10_000, "refused": []}
    assert consumed(tenant, answer) == 10_000
    again = send(tenant, [event(tenant, n) for n in range(10_000)])
    assert again.headers["idempotent-replay"] == "true"
    assert consumed(tenant, again) == 10_000
    beyond = send(tenant, [event(tenant, n) for n in range(10_001)])
    assert (beyond.status_code, beyond.json()["code"]) == (422, "invalid_request")


def test_what_is_refused_is_named_and_stops_nothing(tenant: Any) -> None:
    events = [
        event(tenant, 1, 60, mode="strict"),
        event(tenant, 2, 60, mode="strict"),
        event(tenant, 3) | {"subject": "nobody"},
        event(tenant, 4, resource_key="unheard_of"),
        event(tenant, 5) | {"time": "2026-01-01T00:00:00"},
        event(tenant, 6, pool_id="another-pool"),
        event(tenant, 7, 40, mode="strict"),
    ]
    answer = send(tenant, events)
    assert answer.json()["accepted"] == 2
    assert [(each["index"], each["id"], each["code"], each["remaining"]) for each in answer.json()["refused"]] == [
        (1, "e-2", "quota_exceeded", 40),
        (2, "e-3", "unknown_customer", None),
        (3, "e-4", "unknown_key", None),
        (4, "e-5", "invalid_instant", None),
        (5, "e-6", "unknown_pool", None),
    ]


@pytest.mark.parametrize(
    ("change", "content_type", "status"),
    [
        ({"specversion": "0.3"}, SINGLE, 422),
        ({"id": ""}, SINGLE, 422),
        ({"data": {"quantity": 1}}, SINGLE, 422),
        ({"data": {"resource_key": "k", "quantity": 0}}, SINGLE, 422),
        ({"data": None}, SINGLE, 422),
        ({}, BATCH, 422),
        ({}, "text/plain", 415),
        ({"id": ""}, "application/json", 422),
        ({}, "application/xml", 415),
    ],
)
def test_an_event_that_cannot_be_meant_is_refused(tenant: Any, change: Any, content_type: str, status: int) -> None:
    answer = send(tenant, event(tenant, 1) | change, content_type)
    assert answer.status_code == status, answer.text


def test_clients_that_know_only_json_send_events_as_json(tenant: Any) -> None:
    """One event or a list; with an event's headers it is the data of a binary event, as ever."""
    assert send(tenant, event(tenant, 1), "application/json").json() == {"accepted": 1, "refused": []}
    both = [event(tenant, 1), event(tenant, 2)]
    assert send(tenant, both, "application/json").json() == {"accepted": 2, "refused": []}
    for content_type in (BATCH, "application/json"):
        answer = tenant.http.post("/v1/events/batch", json=both, headers={"content-type": content_type})
        assert answer.headers["idempotent-replay"] == "true"
    assert consumed(tenant, answer) == 2
    alone = tenant.http.post("/v1/events/batch", json=both[0])
    assert (alone.status_code, alone.json()["code"]) == (422, "invalid_request")
    other = tenant.http.post("/v1/events/batch", json=both, headers={"content-type": SINGLE})
    assert (other.status_code, other.json()["code"]) == (415, "unsupported_media_type")


def test_whoever_does_not_wait_gets_places_in_the_log(tenant: Any) -> None:
    headers = {"content-type": BATCH, "prefer": "respond-async"}
    answer = tenant.http.post("/v1/events", json=[event(tenant, n) for n in range(10)], headers=headers)
    assert answer.status_code == 202
    assert len(answer.json()["commands"]) == 1


def binary(tenant: Any, told: dict[str, Any], **headers: str) -> Any:
    attributes = {f"ce-{name}": told[name] for name in ("id", "source", "type", "specversion", "subject")}
    return tenant.http.post("/v1/events", content=json.dumps(told["data"]), headers=attributes | headers)


def test_an_event_counts_once_whether_it_is_structured_or_binary(tenant: Any) -> None:
    told = event(tenant, "Kunde Ä 100%") | {"source": '/gw/\u20ac "x"'}
    assert send(tenant, told, SINGLE).json() == {"accepted": 1, "refused": []}
    encoded = told | {"id": "e-Kunde%20%C3%84%20100%25", "source": "/gw/%E2%82%AC%20%22x%22"}
    answer = binary(tenant, encoded, **{"content-type": "application/json"})
    assert answer.headers["idempotent-replay"] == "true"
    # Emitters of before percent-encoding quote (HTTP binding, 3.1.3.2); an event need not say what its data is.
    quoted = told | {"id": '"e-Kunde%20%C3%84 100%25"', "source": '"/gw/%E2%82%AC \\"x\\""'}
    answer = binary(tenant, quoted)
    assert answer.headers["idempotent-replay"] == "true"
    coded = {name: value for name, value in told.items() if name != "data"}
    coded["data_base64"] = base64.b64encode(json.dumps(told["data"]).encode()).decode()
    answer = send(tenant, coded, SINGLE)
    assert answer.headers["idempotent-replay"] == "true"
    assert consumed(tenant, answer) == 1
    wrong = binary(tenant, told | {"id": "%FF", "source": "/s"})
    assert (wrong.status_code, wrong.json()["errors"][0]["at"]) == (422, "header.ce-id")


def test_an_empty_time_is_no_instant_and_an_attribute_is_given_once(tenant: Any) -> None:
    """The empty text is what clients send for an instant that was never set, as the epoch is."""
    told = event(tenant, 1)
    refused = [tenant.http.post("/v1/events", json=told | {"time": ""}, headers={"content-type": SINGLE})]
    headers = [("content-type", "application/json")]
    headers += [(f"ce-{name}", told[name]) for name in ("id", "source", "type", "specversion", "subject")]
    refused += [tenant.http.post("/v1/events", json=told["data"], headers=[*headers, ("ce-time", "")])]
    assert [(each.status_code, each.json()["code"]) for each in refused] == [(422, "invalid_instant")] * 2
    for name in ("id", "source", "type", "specversion", "subject"):
        answer = tenant.http.post("/v1/events", json=told["data"], headers=[*headers, (f"ce-{name}", "other")])
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["errors"] == [{"at": f"header.ce-{name}", "message": "is given more than once"}]
    answer = tenant.http.post("/v1/events", json=told["data"], headers=headers)
    assert answer.status_code == 200
    assert tenant.check("api_calls", answer.headers["entitlements-consistency"])["consumed"] == 1


def test_an_event_of_a_batch_that_cannot_be_meant_is_refused_and_the_others_are_not(tenant: Any) -> None:
    wrong = [
        event(tenant, 1, True), event(tenant, 2, "5"), event(tenant, 3, 2**63), event(tenant, 4) | {"data": None},
        event(tenant, 5) | {"data_base64": "?", "data": None}, {"id": "e-6"}, 7, event(tenant, 8) | {"time": "0.5"},
    ]  # fmt: skip
    answer = send(tenant, [*wrong, event(tenant, 9)])
    assert answer.status_code == 200
    assert [(each["index"], each["id"], each["code"]) for each in answer.json()["refused"]] == [
        (0, "e-1", "invalid_request"), (1, "e-2", "invalid_request"), (2, "e-3", "invalid_quantity"), (3, "e-4", "invalid_request"),
        (4, "e-5", "invalid_request"), (5, "e-6", "invalid_request"), (6, "", "invalid_request"), (7, "e-8", "invalid_instant"),
    ]  # fmt: skip
    assert answer.json()["refused"][1]["detail"] == "The request is not valid: body.data.quantity: must be an integer."
    assert (answer.json()["accepted"], consumed(tenant, answer)) == (1, 1)


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"subject": "nobody"}, 404, "unknown_customer"),
        ({"data": {"resource_key": "api_calls", "quantity": 101, "mode": "strict"}}, 409, "quota_exceeded"),
        ({"time": "2026-01-01T00:00:00"}, 422, "invalid_instant"),
    ],
)
@pytest.mark.parametrize("content_type", [SINGLE, BATCH])
def test_where_the_only_event_is_refused_the_status_is_no_success(
    tenant: Any, change: dict[str, Any], status: int, code: str, content_type: str
) -> None:
    told = event(tenant, 1) | change
    answer = send(tenant, told if content_type == SINGLE else [told], content_type)
    assert (answer.status_code, answer.json()["code"], answer.json()["accepted"]) == (status, code, 0)
    assert [each["code"] for each in answer.json()["refused"]] == [code]


@pytest.mark.parametrize("content_type", [SINGLE, BATCH])
def test_an_event_with_an_id_that_is_none_is_refused_alone(tenant: Any, content_type: str) -> None:
    """No id reaches Postgres that it could refuse, which would refuse all events with it."""
    bad = [
        event(tenant, 1) | {"subject": "a\0"}, event(tenant, 2, customer_id="\0"), event(tenant, 3, pool_id="\0"),
        event(tenant, 4, subject_id="\0"), event(tenant, 5) | {"subject": "x" * 129}, event(tenant, 6, resource_key="\0"),
    ]  # fmt: skip
    if content_type == SINGLE:
        answers = [send(tenant, each, SINGLE) for each in bad]
        assert [(each.status_code, each.json()["code"]) for each in answers] == [(422, "invalid_id")] * len(bad)
        return
    answer = send(tenant, [*bad, event(tenant, 9)])
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
    assert [(each["index"], each["code"]) for each in answer.json()["refused"]] == [(n, "invalid_id") for n in range(6)]
    assert consumed(tenant, answer) == 1


def test_one_event_that_cannot_be_read_takes_nothing_from_the_others(tenant: Any) -> None:
    good = json.dumps(event(tenant, 1))
    deep = f'{json.dumps(event(tenant, 2))[:-1]},"x":{"[" * 1_500}{"]" * 1_500}}}'
    half = json.dumps(event(tenant, 3)).replace("api_calls", r"\ud800")
    twice = json.dumps(event(tenant, 4)).replace('"quantity": 1', '"quantity": 1, "quantity": 50')
    body = f"[{deep},{half},{twice},{good}]"
    answer = tenant.http.post("/v1/events/batch", content=body, headers={"content-type": BATCH})
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
    assert [each["code"] for each in answer.json()["refused"]] == ["invalid_json", "invalid_json", "invalid_request"]
    assert consumed(tenant, answer) == 1
