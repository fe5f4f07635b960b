"""What the HTTP API tells caches about a view."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from entitlements.access.caching.floors import Concerned
from entitlements.api.http_caching import (
    Lifetimes,
    customer_key,
    etag_of,
    headers_of,
    is_not_modified,
    names_of,
    organization_key,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIFETIMES = Lifetimes(client_for=2, shared_for=30, stale_for=10)


def view(**more: Any) -> dict[str, Any]:
    base = {"organization_id": "acme", "customer_id": "ada", "as_of": {"position": "0:1"}, "entitlements": {}}
    return base | more


def ends_in(seconds: float) -> dict[str, Any]:
    entry = {"valid_until": (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")}
    return view(entitlements={"a": {"valid_until": None}, "b": entry})


def test_the_validator_is_of_what_is_said_and_not_of_when_it_was_read() -> None:
    assert etag_of(view()) == etag_of(view(as_of={"position": "0:2"}))
    assert etag_of(view()) != etag_of(view(entitlements={"a": {"valid_until": None}}))
    assert etag_of(view()) == etag_of(dict(reversed(view().items())))


def test_the_validator_is_strong_and_in_quotes() -> None:
    assert etag_of(view())[0] == etag_of(view())[-1] == '"'


@pytest.mark.parametrize("known", ["{}", "W/{}", '"other", {}', "*", 'W/"x",W/{}'])
def test_who_has_it_already_is_told_so(known: str) -> None:
    assert is_not_modified(known.format(etag_of(view())), etag_of(view()))


@pytest.mark.parametrize("known", [None, "", '"other"', "W/", "{}"])
def test_who_has_something_else_is_not(known: str | None) -> None:
    assert not is_not_modified(known, etag_of(view()))


def test_by_default_nobody_but_who_asked_may_keep_it_and_asks_every_time() -> None:
    headers = headers_of(view(), Lifetimes(), now=NOW)
    assert headers["Cache-Control"] == "private, max-age=0, must-revalidate"


def test_only_who_asked_may_keep_it_for_a_while() -> None:
    headers = headers_of(view(), Lifetimes(client_for=5, stale_for=3), now=NOW)
    assert headers["Cache-Control"] == "private, max-age=5, stale-while-revalidate=3"


def test_a_cache_before_the_service_may_be_told_to_keep_it() -> None:
    headers = headers_of(view(), LIFETIMES, now=NOW)
    assert headers["Cache-Control"] == "public, max-age=2, s-maxage=30, stale-while-revalidate=10"


@pytest.mark.parametrize("lifetimes", [Lifetimes(), LIFETIMES])
def test_every_answer_says_that_it_belongs_to_who_asked(lifetimes: Lifetimes) -> None:
    assert "Authorization" in headers_of(view(), lifetimes, now=NOW)["Vary"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (35, "public, max-age=2, s-maxage=30, stale-while-revalidate=5"),
        (20, "public, max-age=2, s-maxage=20"),
        (1.5, "public, max-age=1, s-maxage=1"),
        (0.5, "no-store"),
        (-5, "no-store"),
    ],
)
def test_nobody_keeps_it_past_the_end_of_an_entry(seconds: float, expected: str) -> None:
    assert headers_of(ends_in(seconds), LIFETIMES, now=NOW)["Cache-Control"] == expected


def test_nobody_keeps_what_is_known_to_be_old() -> None:
    assert headers_of(view(), LIFETIMES, now=NOW, is_known_to_be_old=True)["Cache-Control"] == "no-store"


def test_while_news_are_late_only_who_asked_may_keep_it() -> None:
    headers = headers_of(view(), LIFETIMES, now=NOW, news_are_late=True)
    assert headers["Cache-Control"] == "private, max-age=2, stale-while-revalidate=10"


def test_an_answer_is_named_for_its_customer_and_its_organization_without_telling_them() -> None:
    names = headers_of(view(), LIFETIMES, now=NOW)["Surrogate-Key"].split()
    assert names == [customer_key("acme", "ada"), organization_key("acme"), "all"]
    assert "ada" not in " ".join(names)
    assert customer_key("acme", "") != organization_key("acme")


def test_customers_of_one_id_are_purged_by_organization_however_ids_are_cut() -> None:
    customers = [("acme", "ada"), ("umbrella", "ada"), ("acm", "eada"), ("", "acmeada")]
    assert len({customer_key(*customer) for customer in customers}) == 4
    concerned = Concerned(customers=frozenset(customers[:1]))
    assert names_of(concerned) == {customer_key("acme", "ada")}
