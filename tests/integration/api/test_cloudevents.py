"""Usage as CloudEvents 1.0: every form of the HTTP binding, refused one by one, counted once."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

SINGLE, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


def event(account: Any, number: int | str, quantity: int = 1, **data: Any) -> dict[str, Any]:
    said = {"resource_key": "api_calls", "quantity": quantity} | data
    attributes = {
        "id": f"e-{number}",
        "source": f"/gw/{account.pool_id}",
        "type": "com.example.call",
        "specversion": "1.0",
    }
    return attributes | {"subject": account.customer_id, "data": said}


def send(account: Any, body: Any, content_type: str = BATCH) -> Any:
    return account.http.post("/v1/events", json=body, headers={"content-type": content_type})


def consumed(account: Any, answer: Any) -> Any:
    return account.check("api_calls", answer.headers["entitlements-consistency"])["consumed"]


def test_single_and_binary_and_batch_mean_the_same(account: Any) -> None:
    assert send(account, event(account, 1), SINGLE).json() == {"accepted": 1, "refused": []}
    told = event(account, 2)
    headers = {f"ce-{name}": told[name] for name in ("id", "source", "type", "specversion", "subject")}
    binary = account.http.post("/v1/events", json=told["data"], headers=headers)
    assert binary.json() == {"accepted": 1, "refused": []}
    answer = send(account, [event(account, n) for n in (1, 2, 3)])
    assert answer.json() == {"accepted": 3, "refused": []}
    assert consumed(account, answer) == 3  # The first two were there already.


def test_events_of_two_sources_are_two_wherever_the_one_ends(account: Any) -> None:
    parts = (("/gw#eu", "1"), ("/gw", "eu#1"))
    events = [event(account, 1) | {"source": source, "id": event_id} for source, event_id in parts]
    assert send(account, events).json() == {"accepted": 2, "refused": []}
    assert consumed(account, send(account, events)) == 2
    many = [one | {"id": one["id"] + "x" * 200} for one in events]
    send(account, many)
    assert consumed(account, send(account, many)) == 4


def test_ten_thousand_events_are_one_call(account: Any) -> None:
    answer = send(account, [event(account, n) for n in range(10_000)])
    assert answer.json() == {"accepted": 10_000, "refused": []}
    assert consumed(account, answer) == 10_000
    again = send(account, [event(account, n) for n in range(10_000)])
    assert again.headers["idempotent-replay"] == "true"
    assert consumed(account, again) == 10_000
    beyond = send(account, [event(account, n) for n in range(10_001)])
    assert (beyond.status_code, beyond.json()["code"]) == (422, "invalid_request")


def test_what_is_refused_is_named_and_stops_nothing(account: Any) -> None:
    events = [
        event(account, 1, 60, mode="strict"),
        event(account, 2, 60, mode="strict"),
        event(account, 3) | {"subject": "nobody"},
        event(account, 4, resource_key="unheard_of"),
        event(account, 5) | {"time": "2026-01-01T00:00:00"},
        event(account, 6, pool_id="another-pool"),
        event(account, 7, 40, mode="strict"),
    ]
    answer = send(account, events)
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
def test_an_event_that_cannot_be_meant_is_refused(account: Any, change: Any, content_type: str, status: int) -> None:
    answer = send(account, event(account, 1) | change, content_type)
    assert answer.status_code == status, answer.text


def test_clients_that_know_only_json_send_events_as_json(account: Any) -> None:
    """One event or a list; with an event's headers it is the data of a binary event, as ever."""
    assert send(account, event(account, 1), "application/json").json() == {"accepted": 1, "refused": []}
    both = [event(account, 1), event(account, 2)]
    assert send(account, both, "application/json").json() == {"accepted": 2, "refused": []}
    for content_type in (BATCH, "application/json"):
        answer = account.http.post("/v1/events/batch", json=both, headers={"content-type": content_type})
        assert answer.headers["idempotent-replay"] == "true"
    assert consumed(account, answer) == 2
    alone = account.http.post("/v1/events/batch", json=both[0])
    assert (alone.status_code, alone.json()["code"]) == (422, "invalid_request")
    other = account.http.post("/v1/events/batch", json=both, headers={"content-type": SINGLE})
    assert (other.status_code, other.json()["code"]) == (415, "unsupported_media_type")


def test_whoever_does_not_wait_gets_places_in_the_log(account: Any) -> None:
    headers = {"content-type": BATCH, "prefer": "respond-async"}
    answer = account.http.post("/v1/events", json=[event(account, n) for n in range(10)], headers=headers)
    assert answer.status_code == 202
    assert len(answer.json()["commands"]) == 1


def binary(account: Any, told: dict[str, Any], **headers: str) -> Any:
    attributes = {f"ce-{name}": told[name] for name in ("id", "source", "type", "specversion", "subject")}
    return account.http.post("/v1/events", content=json.dumps(told["data"]), headers=attributes | headers)


def test_an_event_counts_once_whether_it_is_structured_or_binary(account: Any) -> None:
    told = event(account, "Kunde Ä 100%") | {"source": '/gw/\u20ac "x"'}
    assert send(account, told, SINGLE).json() == {"accepted": 1, "refused": []}
    encoded = told | {"id": "e-Kunde%20%C3%84%20100%25", "source": "/gw/%E2%82%AC%20%22x%22"}
    answer = binary(account, encoded, **{"content-type": "application/json"})
    assert answer.headers["idempotent-replay"] == "true"
    # Emitters of before percent-encoding quote (HTTP binding, 3.1.3.2); an event need not say what its data is.
    quoted = told | {"id": '"e-Kunde%20%C3%84 100%25"', "source": '"/gw/%E2%82%AC \\"x\\""'}
    answer = binary(account, quoted)
    assert answer.headers["idempotent-replay"] == "true"
    coded = {name: value for name, value in told.items() if name != "data"}
    coded["data_base64"] = base64.b64encode(json.dumps(told["data"]).encode()).decode()
    answer = send(account, coded, SINGLE)
    assert answer.headers["idempotent-replay"] == "true"
    assert consumed(account, answer) == 1
    wrong = binary(account, told | {"id": "%FF", "source": "/s"})
    assert (wrong.status_code, wrong.json()["errors"][0]["at"]) == (422, "header.ce-id")


def test_an_empty_time_is_no_instant_and_an_attribute_is_given_once(account: Any) -> None:
    """The empty text is what clients send for an instant that was never set, as the epoch is."""
    told = event(account, 1)
    refused = [account.http.post("/v1/events", json=told | {"time": ""}, headers={"content-type": SINGLE})]
    headers = [("content-type", "application/json")]
    headers += [(f"ce-{name}", told[name]) for name in ("id", "source", "type", "specversion", "subject")]
    refused += [account.http.post("/v1/events", json=told["data"], headers=[*headers, ("ce-time", "")])]
    assert [(each.status_code, each.json()["code"]) for each in refused] == [(422, "invalid_instant")] * 2
    for name in ("id", "source", "type", "specversion", "subject"):
        answer = account.http.post("/v1/events", json=told["data"], headers=[*headers, (f"ce-{name}", "other")])
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["errors"] == [{"at": f"header.ce-{name}", "message": "is given more than once"}]
    answer = account.http.post("/v1/events", json=told["data"], headers=headers)
    assert answer.status_code == 200
    assert account.check("api_calls", answer.headers["entitlements-consistency"])["consumed"] == 1


def test_an_event_of_a_batch_that_cannot_be_meant_is_refused_and_the_others_are_not(account: Any) -> None:
    wrong = [
        event(account, 1, True), event(account, 2, "5"), event(account, 3, 2**63), event(account, 4) | {"data": None},
        event(account, 5) | {"data_base64": "?", "data": None}, {"id": "e-6"}, 7, event(account, 8) | {"time": "0.5"},
    ]  # fmt: skip
    answer = send(account, [*wrong, event(account, 9)])
    assert answer.status_code == 200
    assert [(each["index"], each["id"], each["code"]) for each in answer.json()["refused"]] == [
        (0, "e-1", "invalid_request"), (1, "e-2", "invalid_request"), (2, "e-3", "invalid_quantity"), (3, "e-4", "invalid_request"),
        (4, "e-5", "invalid_request"), (5, "e-6", "invalid_request"), (6, "", "invalid_request"), (7, "e-8", "invalid_instant"),
    ]  # fmt: skip
    assert answer.json()["refused"][1]["detail"] == "The request is not valid: body.data.quantity: must be an integer."
    assert (answer.json()["accepted"], consumed(account, answer)) == (1, 1)


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
    account: Any, change: dict[str, Any], status: int, code: str, content_type: str
) -> None:
    told = event(account, 1) | change
    answer = send(account, told if content_type == SINGLE else [told], content_type)
    assert (answer.status_code, answer.json()["code"], answer.json()["accepted"]) == (status, code, 0)
    assert [each["code"] for each in answer.json()["refused"]] == [code]


@pytest.mark.parametrize("content_type", [SINGLE, BATCH])
def test_an_event_with_an_id_that_is_none_is_refused_alone(account: Any, content_type: str) -> None:
    """No id reaches Postgres that it could refuse, which would refuse all events with it."""
    bad = [
        event(account, 1) | {"subject": "a\0"}, event(account, 2, customer_id="\0"), event(account, 3, pool_id="\0"),
        event(account, 4, subject_id="\0"), event(account, 5) | {"subject": "x" * 129}, event(account, 6, resource_key="\0"),
    ]  # fmt: skip
    if content_type == SINGLE:
        answers = [send(account, each, SINGLE) for each in bad]
        assert [(each.status_code, each.json()["code"]) for each in answers] == [(422, "invalid_id")] * len(bad)
        return
    answer = send(account, [*bad, event(account, 9)])
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
    assert [(each["index"], each["code"]) for each in answer.json()["refused"]] == [(n, "invalid_id") for n in range(6)]
    assert consumed(account, answer) == 1


def test_one_event_that_cannot_be_read_takes_nothing_from_the_others(account: Any) -> None:
    good = json.dumps(event(account, 1))
    deep = f'{json.dumps(event(account, 2))[:-1]},"x":{"[" * 1_500}{"]" * 1_500}}}'
    half = json.dumps(event(account, 3)).replace("api_calls", r"\ud800")
    twice = json.dumps(event(account, 4)).replace('"quantity": 1', '"quantity": 1, "quantity": 50')
    body = f"[{deep},{half},{twice},{good}]"
    answer = account.http.post("/v1/events/batch", content=body, headers={"content-type": BATCH})
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1), answer.text
    assert [each["code"] for each in answer.json()["refused"]] == ["invalid_json", "invalid_json", "invalid_request"]
    assert consumed(account, answer) == 1
