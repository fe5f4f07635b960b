"""The short way takes nothing that the ordinary route would refuse, and reads what it takes as that would."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from entitlements.api import short_usage
from entitlements.api.auth.door import IDENTITY
from entitlements.api.identity import Identity
from entitlements.api.metering import Usage
from entitlements.domain.values import QUANTITY_MAX

FIELDS = tuple(Usage.model_fields)
IDENTITY_OF_USE = Identity(
    key_id="k", organization_id="acme", key_organization_id="acme", scopes=frozenset({"use"}), actor="key:k",
    requests_per_s=1.0, body_bytes_max=1_000_000,
)  # fmt: skip
JSON = (b"content-type", b"application/json")
PLAIN = b'{"customer_id": "ws-1", "resource_key": "api_calls"}'


def scope(*headers: tuple[bytes, bytes], identity: Identity = IDENTITY_OF_USE) -> dict[str, Any]:
    return {"headers": list(headers), IDENTITY: identity}


def ordinarily(body: bytes) -> Usage | None:
    try:
        return Usage.model_validate(json.loads(body))
    except (ValidationError, ValueError):
        return None


ids = st.one_of(st.sampled_from(["ws-1", "", "x" * 128, "x" * 129, "~derived", "a\0b", "é"]), st.text(max_size=4))
anything = st.one_of(
    ids, st.none(), st.booleans(), st.integers(-1, 3), st.sampled_from([QUANTITY_MAX, QUANTITY_MAX + 1, 1.0, 1.5]),
    st.just([]), st.just({}),
)  # fmt: skip
values: dict[str, st.SearchStrategy[Any]] = {
    "customer_id": st.one_of(ids, anything),
    "pool_id": st.one_of(st.none(), ids, anything),
    "resource_key": st.one_of(ids, anything),
    "subject_id": st.one_of(ids, anything),
    "quantity": st.one_of(st.integers(1, QUANTITY_MAX), anything),
    "mode": st.one_of(st.sampled_from(["strict", "report", "STRICT"]), anything),
    "occurred_at": st.one_of(
        st.sampled_from([
            "2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456+02:00", "2026-01-31", "1970-01-01T00:00:00Z", "never",
            "2026-02-30T00:00:00Z",
        ]),
        anything,
    ),
    "usage_id": st.one_of(st.none(), ids, anything),
    "quantities": anything,
}  # fmt: skip


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    names = draw(st.lists(st.sampled_from([*values, "customer_id", "resource_key"]), max_size=6))
    pairs = [(name, draw(values[name])) for name in names]
    text = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in pairs)
    return f"{{{text}}}".encode()


@given(bodies())
def test_what_the_short_way_takes_the_ordinary_one_reads_alike(body: bytes) -> None:
    plain = short_usage.read(scope(JSON), body)
    if plain is None:
        return
    usual = ordinarily(body)
    assert usual is not None, "only it would have been refused"
    assert {name: getattr(plain.usage, name) for name in FIELDS} == {name: getattr(usual, name) for name in FIELDS}
    assert body.count(b'": ') == len(json.loads(body)), "a name was passed over"


@given(st.fixed_dictionaries(
    {"resource_key": st.text("abc", min_size=1), "customer_id": st.text("abc", min_size=1)},
    optional={"quantity": st.integers(1, QUANTITY_MAX), "mode": st.sampled_from(["strict", "report"]),
              "usage_id": st.text("abc", min_size=1), "occurred_at": st.just("2026-01-31T12:00:00Z")},
))  # fmt: skip
def test_what_is_plainly_right_is_taken(said: dict[str, Any]) -> None:
    assert short_usage.read(scope(JSON), json.dumps(said).encode()) is not None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"application/json; charset=latin-1")],
        [JSON, (b"prefer", b"respond-async")],
        [JSON, (b"entitlements-consistency", b"0:1")],
        [JSON, (b"idempotency-key", b"a"), (b"idempotency-key", b"a")],
        [JSON, (b"idempotency-key", b"~a")],
        [JSON, (b"idempotency-key", b"")],
        [JSON, (b"idempotency-key", b"x" * 129)],
        [JSON, (b"idempotency-key", b"\xc3\xa9")],
        [JSON, (b"idempotency-key", b"a\x7f")],
    ],
)
def test_headers_that_ask_for_more_or_are_wrong_go_the_ordinary_way(headers: list[tuple[bytes, bytes]]) -> None:
    assert short_usage.read(scope(*headers), PLAIN) is None


def test_an_idempotency_key_is_the_request_s() -> None:
    plain = short_usage.read(scope(JSON, (b"idempotency-key", b"order 17")), PLAIN)
    assert plain is not None
    assert plain.part.key == "order 17"


@pytest.mark.parametrize("change", [{"scopes": frozenset({"read"})}, {"unit_id": "sales"}])
def test_keys_that_may_not_or_not_everywhere_go_the_ordinary_way(change: dict[str, Any]) -> None:
    fields = {name: getattr(IDENTITY_OF_USE, name) for name in Identity.__slots__}
    assert short_usage.read(scope(JSON, identity=Identity(**fields | change)), PLAIN) is None


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', PLAIN + b" x", b"\xff", PLAIN[:-1] + b', "x": 1}', b"[" * 5_000]
)
def test_what_is_no_usage_goes_the_ordinary_way(body: bytes) -> None:
    assert short_usage.read(scope(JSON), body) is None
