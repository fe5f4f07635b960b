"""A batch of CloudEvents: what is wrong with one of them is told of it alone, and no batch hides what one event must not have."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from starlette.datastructures import Headers

from entitlements.api.event_bodies import Event, Malformed, batch_of, events_in, events_of, parts_of
from entitlements.api.event_schemas import BATCH, EVENTS_MAX, SINGLE
from entitlements.api.problems import Problem

GOOD = {"id": "e", "source": "/s", "type": "t", "specversion": "1.0", "subject": "c", "time": "2026-11-21T14:07:20Z"}
GOOD |= {"data": {"resource_key": "api_calls", "quantity": 1}}  # type: ignore[dict-item]
PLAIN = json.dumps(GOOD)


def data_in_base64(data: str) -> str:
    return json.dumps({name: value for name, value in GOOD.items() if name != "data"} | {
        "data_base64": base64.b64encode(data.encode()).decode()
    })  # fmt: skip


def with_extension(value: str) -> str:
    return f'{PLAIN[:-1]},"ext":{value}}}'


BAD = {
    "half a character": (with_extension(r'"\ud800"'), "invalid_json"),
    "half a character in the subject": (PLAIN.replace('"c"', r'"\ud800"'), "invalid_json"),
    "an id of half a character": (PLAIN.replace('"e"', r'"\ud800"'), "invalid_json"),
    "nested beyond what is documented": (with_extension("[" * 600 + "]" * 600), "invalid_json"),
    "nested beyond what can be read": (with_extension("[" * 1_500 + "]" * 1_500), "invalid_json"),
    "NaN": (with_extension("NaN"), "invalid_json"),
    "not UTF-8": (PLAIN.replace('"c"', '"\udcff"'), "invalid_json"),
    "brackets that do not fit": ('{"a":1]', "invalid_json"),
    "NUL in the subject": (PLAIN.replace('"c"', r'"a\u0000"'), "invalid_id"),
    "NUL in the customer": (PLAIN.replace('"quantity"', r'"customer_id":"\u0000","quantity"'), "invalid_id"),
    "NUL in the pool": (PLAIN.replace('"quantity"', r'"pool_id":"\u0000","quantity"'), "invalid_id"),
    "NUL in the key": (PLAIN.replace("api_calls", r"\u0000"), "invalid_id"),
    "NUL in the member": (PLAIN.replace('"quantity"', r'"subject_id":"\u0000","quantity"'), "invalid_id"),
    "a subject of 129 characters": (PLAIN.replace('"c"', f'"{"c" * 129}"'), "invalid_id"),
    "an instant without a time zone": (PLAIN.replace("20Z", "20"), "invalid_instant"),
    "the epoch": (PLAIN.replace("2026-11-21T14:07:20Z", "1970-01-01T00:00:00Z"), "invalid_instant"),
    "a name twice": (PLAIN.replace('"subject"', '"subject":"b","subject"'), "invalid_request"),
    "a name twice in the data": (PLAIN.replace('"quantity"', '"quantity":50,"quantity"'), "invalid_request"),
    "a name twice, once escaped": (PLAIN.replace('"quantity"', r'"quantit\u0079" :50,"quantity"'), "invalid_request"),
    "a name twice in base64": (data_in_base64('{"resource_key":"k","quantity":1,"quantity":50}'), "invalid_request"),
    "an unknown field": (PLAIN.replace("quantity", "quantty"), "invalid_request"),
    "an unknown field in base64": (data_in_base64('{"resource_key":"k","quantty":500}'), "invalid_request"),
    "data twice": (f'{PLAIN[:-1]},"data_base64":"e30="}}', "invalid_request"),
    "no data": ("{}", "invalid_request"),
    "no object": ("[[1],{}]", "invalid_request"),
}


@pytest.mark.parametrize(("bad", "code"), BAD.values(), ids=BAD)
def test_what_is_wrong_with_an_event_is_told_of_it_alone(bad: str, code: str) -> None:
    body = f" [{PLAIN},{bad} ,\n{PLAIN}] ".encode("utf-8", "surrogateescape")
    first, refused, last = batch_of(BATCH, body)
    assert (type(first), type(last)) == (Event, Event)
    assert isinstance(refused, Malformed), refused
    assert refused.code == code, refused
    json.dumps([refused.id, refused.detail], ensure_ascii=False).encode()
    with pytest.raises(Problem) as caught:
        events_of(SINGLE, Headers(), bad.encode("utf-8", "surrogateescape"))
    assert caught.value.code == code


@pytest.mark.parametrize(
    "value", ["1e400", "9" * 50, "[" * 240 + "]" * 240, '{"a":1,"a":2}', r'"\":\u0000"', '":"', "-0"]
)
def test_extensions_are_free(value: str) -> None:
    events = batch_of(BATCH, f"[{with_extension(value)},{with_extension(value)}]".encode())
    assert all(isinstance(event, Event) for event in events), events


def test_what_is_left_out_hides_no_name_that_is_there_twice() -> None:
    """One event without a name, one with it twice: together the name is there as often as there are events."""
    for name, value in (("subject", '"c"'), ("quantity", "7"), ("time", '"2026-11-21T14:07:20Z"')):
        without = {**GOOD, "data": {**GOOD["data"]}}  # type: ignore[dict-item]
        for place in (without, without["data"]):
            place.pop(name, None)  # type: ignore[attr-defined]
        twice = PLAIN.replace(f'"{name}"', f'"{name}":{value},"{name}"')
        first, second = batch_of(BATCH, f"[{json.dumps(without)},{twice}]".encode())
        assert (type(first), type(second)) == (Event, Malformed), name
    in_base64 = data_in_base64('{"resource_key":"k","quantity":7}')
    twice = PLAIN.replace('"quantity"', '"quantity":50,"quantity"')
    assert [type(each) for each in batch_of(BATCH, f"[{in_base64},{twice}]".encode())] == [Event, Malformed]


@pytest.mark.parametrize("body", ["", "[", "[1,]", "[,1]", '["a]', "[1] x", "[[]", "[}", f"[{PLAIN}"])
def test_what_is_no_list_is_refused_as_a_whole(body: str) -> None:
    with pytest.raises(Problem) as caught:
        batch_of(BATCH, body.encode())
    assert caught.value.code == "invalid_json"


@pytest.mark.parametrize("body", ["{}", "null", PLAIN])
def test_an_event_is_no_list_of_events(body: str) -> None:
    with pytest.raises(Problem) as caught:
        batch_of(BATCH, body.encode())
    assert (caught.value.code, caught.value.facts["errors"]) == (
        "invalid_request",
        [{"at": "body", "message": "must be an array"}],
    )


def test_a_list_is_bounded_whatever_is_in_it() -> None:
    for bad in ("1", r'"\ud800"'):
        with pytest.raises(Problem, match="maximum"):
            batch_of(BATCH, f"[{bad}{',1' * EVENTS_MAX}]".encode())


def test_binary_events_are_read_as_strictly() -> None:
    attributes = {"ce-id": "e", "ce-source": "/s", "ce-type": "t", "ce-specversion": "1.0", "ce-subject": "c"}
    cases: list[tuple[dict[str, str], bytes, str]] = [
        ({}, b'{"resource_key":"k","quantity":1,"quantity":50}', "body.quantity"),
        ({}, b'{"resource_key":"k","quantty":500}', "body.quantty"),
        ({}, rb'{"resource_key":"k","customer_id":"\u0000"}', "body.customer_id"),
        ({"ce-subject": "%00"}, b'{"resource_key":"k"}', "header.ce-subject"),
    ]
    for changed, body, at in cases:
        with pytest.raises(Problem) as caught:
            events_of("application/json", Headers(attributes | changed), body)
        assert [each["at"] for each in caught.value.facts["errors"]] == [at]
    (event,) = events_of("application/json", Headers(attributes), b'{"resource_key":"k"}')
    assert isinstance(event, Event)


def test_nothing_is_nothing() -> None:
    assert list(batch_of(BATCH, b" [ ] ")) == []


def test_the_tests_have_an_event_that_is_one() -> None:
    found: Any = batch_of(BATCH, f"[{PLAIN}]".encode())[0]
    assert (found.id, found.data.quantity) == ("e", 1)


@pytest.mark.parametrize(
    "element",
    [PLAIN, "1", "{}", "null", '{"id":"x"}', PLAIN.replace('"', ' "', 1), PLAIN[:-1] + ',"x":"\\ud800"}', PLAIN[:-1] + ',"x":01}', "[" * 300 + "]" * 300],
)  # fmt: skip
def test_a_slice_of_a_list_is_read_as_in_the_whole(element: str) -> None:
    whole = f" [ {PLAIN} , {element} ,{PLAIN}, {element}]".encode()
    parts = parts_of(whole)
    in_slices = [each for part in ([parts[0]], parts[1:3], parts[3:]) for each in events_in(part)]
    assert in_slices == list(batch_of(BATCH, whole))


def test_the_elements_of_a_list_are_bounded_before_they_are_read() -> None:
    with pytest.raises(Problem, match="The maximum is"):
        parts_of(b"[" + b"1," * EVENTS_MAX + b"1]")
