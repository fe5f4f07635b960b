"""The middleware in front of everything, driven as a server drives it."""

from __future__ import annotations

import asyncio
import json
import re
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from entitlements.api.auth import bodies
from entitlements.api.auth.api_keys import token_of
from entitlements.api.auth.bodies import taken
from entitlements.api.auth.door import Door, identity_of
from entitlements.api.auth.limits import Limits
from entitlements.api.auth.rates import BURST_FOR, Rates
from entitlements.api.identity import Identity, Unauthenticated
from entitlements.errors import ServerIsAway

WHO = Identity(
    key_id="k1234567",
    organization_id="acme",
    key_organization_id="acme",
    scopes=frozenset({"read"}),
    actor="ci",
    requests_per_s=20.0,
    body_bytes_max=100,
)


ACTING = replace(WHO, key_id="operators", organization_id="ops", key_organization_id="ops", act_for="all")


class Organizations:
    """Acme and globex are there; looked counts who was looked for."""

    operator = "ops"

    def __init__(self) -> None:
        self.remembered: set[str] = set()
        self.looked = 0

    def is_remembered(self, organization_id: str) -> bool:
        return organization_id in self.remembered

    async def find(self, organization_id: str) -> bool:
        self.looked += 1
        if organization_id not in {"acme", "globex"}:
            return False
        self.remembered.add(organization_id)
        return True


class Authenticator:
    """Knows `Bearer known`, and `Bearer acting` of a key that acts for all; has to wait for `Bearer new`; cannot tell `Bearer away`."""

    def known(self, authorization: str) -> Identity | None:
        if authorization == "Bearer known":
            return WHO
        if authorization == "Bearer acting":
            return ACTING
        if authorization in {"Bearer new", "Bearer away"}:
            return None
        raise Unauthenticated

    def identify(self, authorization: str) -> Identity:
        if authorization == "Bearer away":
            raise ServerIsAway("Postgres")
        return WHO

    def forget(self, key_id: str) -> None:
        pass

    def close(self) -> None:
        pass


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Says who asked, and what the body was."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    who = identity_of(scope).organization_id if "entitlements.identity" in scope else "anybody"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": f"{who}:{len(body)}".encode()})


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door(application, Authenticator(), Organizations(), {"/healthz"}, {"/v1/commands/OpenPool"})
    yield door
    door.close()


def ask(
    door: Door,
    authorization: str | None = "Bearer known",
    *parts: bytes,
    path: str = "/v1/check",
    method: str = "POST",
    length: str | None = None,
    organizations: Sequence[str] = (),
    more: Sequence[tuple[bytes, bytes]] = (),
) -> tuple[int, dict[str, str], bytes]:
    headers = [] if authorization is None else [(b"authorization", authorization.encode())]
    headers += [(b"entitlements-organization", each.encode()) for each in organizations]
    headers += more
    headers += [] if length is None else [(b"content-length", length.encode())]
    bodies = list(parts) or [b""]
    messages = [{"type": "http.request", "body": b, "more_body": at + 1 < len(bodies)} for at, b in enumerate(bodies)]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(door({"type": "http", "path": path, "method": method, "headers": headers}, receive, send))
    told = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], told, b"".join(message.get("body", b"") for message in sent[1:])


@pytest.mark.parametrize("authorization", ["Bearer known", "Bearer new"])
def test_who_is_known_is_let_in(door: Door, authorization: str) -> None:
    assert ask(door, authorization, b"abc", length="3") == (200, {}, b"acme:3")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "\xff"])
def test_who_is_not_known_is_told_how_to_say_it(door: Door, authorization: str | None) -> None:
    status, headers, body = ask(door, authorization)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert headers["content-type"] == "application/problem+json"
    assert json.loads(body)["code"] == "unauthenticated"


@pytest.mark.parametrize("other", [b"Bearer known", b"Bearer wrong", b""])
def test_of_two_authorizations_neither_counts(door: Door, other: bytes) -> None:
    status, _, body = ask(door, more=[(b"authorization", other)])
    assert status == 401
    assert "The request has several Authorization headers. Send one." in json.loads(body)["detail"]


def test_who_sends_no_key_is_told_how_to_send_one(door: Door) -> None:
    assert "Send `Authorization: Bearer <key>`." in json.loads(ask(door, None)[2])["detail"]
    with pytest.raises(Unauthenticated, match=re.escape("Send `Authorization: Bearer <key>`.")):
        token_of("ent_k1234567_s3cret")


@pytest.mark.parametrize(
    ("encoding", "status"), [(b"gzip", 415), (b"identity, br", 415), (b"Identity", 200), (b"", 200)]
)
def test_a_body_that_is_compressed_is_refused_before_anybody_reads_it(door: Door, encoding: bytes, status: int) -> None:
    answer, _, body = ask(door, "Bearer known", b"abc", more=[(b"content-encoding", encoding)])
    assert answer == status
    if status == 415:
        assert json.loads(body)["code"] == "unsupported_media_type"
        assert "uncompressed" in json.loads(body)["detail"]


def test_a_body_in_tiny_parts_takes_little_more_than_its_bytes() -> None:
    left = [b"ab"] * 200_000

    async def receive() -> Any:
        return {"type": "http.request", "body": bytes(left.pop()), "more_body": bool(left)}

    tracemalloc.start()
    try:
        message = asyncio.run(read_whole(receive))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert message["body"] == b"ab" * 200_000


async def read_whole(receive: Any) -> Any:
    return await (await taken(receive, 1_000_000, 10.0, lambda _: None))()


def test_an_open_path_is_open_and_nothing_beside_it(door: Door) -> None:
    assert ask(door, None, path="/healthz")[0] == 200
    for path in ("/healthz/", "/healthz/x", "//healthz", "/HEALTHZ", "/v1/healthz"):
        assert ask(door, None, path=path)[0] == 401


def test_keys_that_cannot_be_read_are_our_fault_not_the_callers(door: Door) -> None:
    status, headers, body = ask(door, "Bearer away")
    assert (status, headers["retry-after"], json.loads(body)["code"]) == (503, "1", "server_is_away")


@pytest.mark.parametrize(
    ("length", "parts"),
    [
        ("101", [b"a" * 101]),
        (None, [b"a" * 60, b"a" * 41]),
        (None, [b"a" * 101]),
        ("9" * 5_000, [b""]),
        ("-1", [b""]),
        ("1e3", [b""]),
    ],
)
def test_a_body_above_what_is_taken_is_refused_before_anybody_reads_it(
    door: Door, length: str | None, parts: list[bytes]
) -> None:
    status, _, body = ask(door, "Bearer known", *parts, length=length)
    assert (status, json.loads(body)["code"]) == (413, "body_too_large")


def test_a_body_in_parts_that_is_small_enough_arrives_whole(door: Door) -> None:
    assert ask(door, "Bearer known", b"a" * 60, b"a" * 40)[2] == b"acme:100"


def test_the_body_of_somebody_unknown_is_not_even_looked_at(door: Door) -> None:
    assert ask(door, None, b"a" * 101, length="101")[0] == 401


def test_a_key_that_asks_too_often_is_told_when_to_come_back(door: Door) -> None:
    answers = [ask(door) for _ in range(200)]
    assert [status for status, _, _ in answers[:20]] == [200] * 20  # A second's worth at once.
    _, headers, body = next(answer for answer in answers if answer[0] == 429)
    assert headers["retry-after"] == "1"
    assert json.loads(body)["code"] == "rate_limited"


def test_a_path_may_have_a_smaller_bound_and_a_batch_has_that_of_the_key() -> None:
    limits = Limits(body_bytes_max={"/v1/check": 10}, other_body_bytes_max=20, batch_paths=frozenset({"/v1/events"}))
    assert [limits.body_bytes(path, 100) for path in ("/v1/check", "/v1/keys", "/v1/events")] == [10, 20, 100]
    assert limits.body_bytes("/v1/keys", 15) == 15
    door = Door(application, Authenticator(), Organizations(), limits=limits)
    assert ask(door, "Bearer known", b"a" * 11, length="11")[0] == 413
    assert ask(door, "Bearer known", b"a" * 11, length="11", path="/v1/keys")[0] == 200
    door.close()


async def never() -> Any:
    await asyncio.Event().wait()


async def asked_of(door: Door, receive: Any, path: str = "/v1/check") -> int:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"authorization", b"Bearer known")]
    await door({"type": "http", "path": path, "method": "POST", "headers": headers}, receive, send)
    return int(sent[0]["status"])


def test_a_body_that_stalls_is_given_up_and_one_that_comes_slowly_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BYTES_PER_S_MIN", 100)
    door = Door(application, Authenticator(), Organizations(), limits=Limits(body_within_for=0.05))
    parts = [b"a" * 20] * 4

    async def slowly() -> Any:
        await asyncio.sleep(0.03)
        return {"type": "http.request", "body": parts.pop(), "more_body": bool(parts)}

    assert asyncio.run(asked_of(door, never)) == 408
    assert asyncio.run(asked_of(door, slowly)) == 200
    door.close()


def test_requests_of_one_organization_under_way_are_bounded_and_streams_are_counted_elsewhere() -> None:
    limits = Limits(requests_max=2, stream_paths=frozenset({"/v1/changes"}))
    answering = asyncio.Event()

    async def waits(scope: Any, receive: Any, send: Any) -> None:
        await answering.wait()
        await application(scope, receive, send)

    async def both() -> list[int]:
        async def empty() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        door = Door(waits, Authenticator(), Organizations(), limits=limits)
        under_way = [asyncio.create_task(asked_of(door, empty)) for _ in range(2)]
        under_way += [asyncio.create_task(asked_of(door, empty, "/v1/changes")) for _ in range(2)]
        await asyncio.sleep(0)
        statuses = [await asked_of(door, empty)]
        answering.set()
        statuses += await asyncio.gather(*under_way)
        return [*statuses, await asked_of(door, empty)]

    assert asyncio.run(both()) == [429, 200, 200, 200, 200, 200]


def a_body(*parts: bytes) -> Any:
    left = list(parts)

    async def receive() -> Any:
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    return receive


def test_a_body_of_many_values_is_refused_before_anybody_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty lists take three bytes each, and as long to read as a thousand of a text."""
    monkeypatch.setattr(bodies, "VALUES_MAX", 20)
    door = Door(application, Authenticator(), Organizations())
    assert asyncio.run(asked_of(door, a_body(b"[" + b"[]," * 5, b"1," * 15 + b"1]"))) == 413
    assert asyncio.run(asked_of(door, a_body(b'["' + b"a" * 80, b'"]'))) == 200
    door.close()


def test_the_bodies_of_one_organization_are_bounded_together_until_they_are_answered() -> None:
    door = Door(application, Authenticator(), Organizations(), limits=Limits(bodies_bytes_max=50))

    async def several() -> list[int]:
        stalls, goes_on = asyncio.Event(), asyncio.Event()
        parts = [b"a" * 30, b"a"]

        async def slowly() -> Any:
            if len(parts) == 1:
                stalls.set()
                await goes_on.wait()
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        first = asyncio.create_task(asked_of(door, slowly))
        await stalls.wait()
        refused = await asked_of(door, a_body(b"a" * 15, b"a" * 15))
        goes_on.set()
        return [refused, await first, await asked_of(door, a_body(b"a" * 49))]

    assert asyncio.run(several()) == [429, 200, 200]
    door.close()


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("per_s", [0.5, 1.0, 10.0, 3_000.0])
def test_over_time_a_key_gets_its_rate_and_one_burst(per_s: float) -> None:
    clock = Clock()
    rates = Rates(clock)
    who = Identity(
        key_id="k",
        organization_id="o",
        key_organization_id="o",
        scopes=frozenset(),
        actor="",
        requests_per_s=per_s,
        body_bytes_max=1,
    )
    taken = 0
    seconds, steps = 20, 20_000
    for _ in range(seconds * steps // 4):
        clock.now += 4 / steps
        taken += rates.take(who) == 0.0
    burst = max(1.0, BURST_FOR * per_s)
    assert per_s * seconds - 1 <= taken <= per_s * seconds + burst + 1


def test_who_waits_as_long_as_it_was_told_is_let_in() -> None:
    clock = Clock()
    rates = Rates(clock)
    waits = [rates.take(WHO) for _ in range(30)]
    clock.now += waits[-1]
    assert rates.take(WHO) == 0.0


def test_one_key_takes_nothing_of_another() -> None:
    rates = Rates(Clock())
    while not rates.take(WHO):
        pass
    other = Identity(
        key_id="other",
        organization_id="acme",
        key_organization_id="acme",
        scopes=frozenset(),
        actor="",
        requests_per_s=1.0,
        body_bytes_max=1,
    )
    assert rates.take(other) == 0.0


@pytest.mark.parametrize(
    ("authorization", "organizations", "answer"),
    [
        ("Bearer known", [], "acme"),
        ("Bearer known", ["acme"], "acme"),
        ("Bearer known", [""], "acme"),
        ("Bearer known", ["globex"], "organization_not_allowed"),
        ("Bearer known", ["no-such"], "organization_not_allowed"),
        ("Bearer acting", [], "organization_required"),
        ("Bearer acting", [""], "organization_required"),
        ("Bearer acting", ["acme"], "acme"),
        ("Bearer acting", ["globex"], "globex"),
        ("Bearer acting", ["ops"], "ops"),
        ("Bearer acting", ["no-such"], "unknown_organization"),
        ("Bearer acting", ["acme", "globex"], "invalid_organization"),
        ("Bearer acting", ["x" * 129], "invalid_organization"),
        ("Bearer acting", ["a%00"], "invalid_organization"),
        ("Bearer acting", ["%ff"], "invalid_organization"),
    ],
)
def test_a_request_is_made_for_the_organization_that_its_key_may_name(
    door: Door, authorization: str, organizations: list[str], answer: str
) -> None:
    status, headers, body = ask(door, authorization, organizations=organizations)
    if status == 200:
        assert body == f"{answer}:0".encode()
        return
    assert (status, json.loads(body)["code"]) == (STATUSES[answer], answer)
    assert "Entitlements-Organization" in headers["vary"]


STATUSES = {
    "organization_required": 422,
    "invalid_organization": 422,
    "unknown_organization": 404,
    "organization_not_allowed": 403,
}


@pytest.mark.parametrize("organization", ["globex", "no-such"])
def test_opening_a_pool_alone_is_let_in_for_an_organization_that_is_not_known(door: Door, organization: str) -> None:
    answers = {
        ask(door, "Bearer acting", path=path, method=method, organizations=[organization])[0]
        for path in ("/v1/commands/OpenPool", "/v1/commands/DefineUnit", "/v1/keys")
        for method in ("POST", "GET", "PUT")
    }
    assert answers == ({200} if organization == "globex" else {200, 404})
    assert ask(door, "Bearer acting", path="/v1/commands/OpenPool", organizations=[organization])[0] == 200


def test_each_organization_that_a_key_acts_for_has_the_whole_rate_of_the_key(door: Door) -> None:
    def many(organization: str) -> list[int]:
        return [ask(door, "Bearer acting", organizations=[organization])[0] for _ in range(30)]

    acme = many("acme")
    assert acme[:20] == [200] * 20
    assert 429 in acme
    assert many("globex")[:19] == [200] * 19


def test_who_names_organizations_that_there_are_not_is_slowed_down_as_one(door: Door) -> None:
    answers = [ask(door, "Bearer acting", organizations=[f"made-up-{each}"])[0] for each in range(60)]
    assert answers[:20] == [404] * 20
    assert 429 in answers
