"""Ids that no customer can have: not entitled in every way to decide, and nothing is sent."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from scripted import NO_POLICIES
from test_asking import LOCAL, Bench

from entitlements_client import Retries, Sampling, Service
from entitlements_client.access_log import AccessReports
from entitlements_client.asking.asking import ByAge, Freshness, Never
from entitlements_client.asking.following import Heard, Readers
from entitlements_client.deciding import Request
from entitlements_client.errors import NotFound, ServiceIsAway
from entitlements_client.transport.clients import Client
from entitlements_client.transport.methods import entitlement, entitlements

NOBODY = ("", ".", "..", "x" * 129, "a\0b")
ways = pytest.mark.parametrize("way", [Never(), ByAge(5.0, 5.0), Heard(LOCAL)], ids=["remote", "cached", "local"])


def bench_of(way: Freshness) -> Bench:
    return Bench(way, decides_here=not isinstance(way, Never))


@ways
@pytest.mark.parametrize("customer_id", NOBODY)
def test_who_cannot_exist_is_not_entitled_and_nobody_is_asked(way: Freshness, customer_id: str) -> None:
    bench = bench_of(way)
    request = Request(customer_id, "sso", subject_id="ann")
    assert (bench.check(request).allowed, bench.check(request).reason_code) == (False, "not_entitled")
    bench.away = ServiceIsAway()
    assert bench.check(request).reason_code == "not_entitled"
    assert bench.run(bench.asking.finding_out_all([request]))[0].reason_code == "not_entitled"
    assert (bench.asked, bench.check(request).customer_id) == ([], customer_id)


def test_no_policy_allows_anything_to_nobody_and_what_a_key_is_stays_known() -> None:
    bench = bench_of(ByAge(5.0, 5.0))
    allow = {"policy_id": "p", "name": "P", "effect": "ALLOW", "resource_keys": ["sso"]}
    bench.policies = NO_POLICIES | {"policies": [allow], "keys": {"sso": "boolean"}}
    assert bench.check(Request("somebody", "sso")).allowed
    found = bench.check(Request("..", "sso"))
    assert (found.reason_code, found.data_type) == ("not_entitled", "boolean")


@ways
def test_the_longest_id_is_asked_about(way: Freshness) -> None:
    bench = bench_of(way)
    bench.check(Request("x" * 128, "sso"))
    assert bench.asked


def test_nobody_is_followed_or_told_to_the_access_log() -> None:
    client, stopping = Client(Service("http://127.0.0.1:9", "ent_none", Retries())), threading.Event()
    bench = bench_of(Heard(LOCAL))
    readers = Readers(bench.asking, client, stopping)
    reports = AccessReports(client, Sampling(), stopping)
    for customer_id in NOBODY[1:]:
        readers.want(customer_id, urgent=True)
        request = Request(customer_id, "sso")
        reports.note(request, bench.check(request))
    assert (readers._threads, readers._wanted, list(reports._waiting)) == ([], {}, [])


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_no_path_is_made_of_what_would_name_something_else(text: str) -> None:
    makes: list[Any] = [lambda: entitlements(text), lambda: entitlement("ws", text)]
    for make in makes:
        with pytest.raises(NotFound):
            make()
