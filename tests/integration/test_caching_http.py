"""Answers behind a real Varnish: whose they are, how long they live, and how they are purged."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from tests.caching_places import ALL, Origin, varnish_before

from entitlements.access.caching.floors import Concerned, Floors
from entitlements.access.caching.purging import Purger
from entitlements.api.http_caching import EVERY_ANSWER, Lifetimes, customer_key, names_of, organization_key

LIFETIMES = Lifetimes(client_for=1, shared_for=60)


class Source:
    """Views that say whose they are."""

    def __init__(self) -> None:
        self.position = 0
        self.takes_for = 0.0

    def load(
        self, organization_id: str, customer_ids: Sequence[str], at_least: Mapping[int, int] | None = None
    ) -> dict[str, bytes]:
        time.sleep(self.takes_for)
        as_of = {"position": f"0:{self.position}", "read_at": str(time.time())}
        entitlements = {"a": {"valid_until": None, "limit": self.position}}
        view = {"organization_id": organization_id, "as_of": as_of, "entitlements": entitlements}
        return {name: json.dumps(view | {"customer_id": name}).encode() for name in customer_ids}


class Cdn:
    """A Varnish before an origin, and who asks it."""

    def __init__(self, origin: Origin, url: str, client: httpx.Client) -> None:
        self.origin, self.url, self._client = origin, url, client
        assert isinstance(origin.source, Source)
        self.source = origin.source

    def asks(self, organization: str, customer: str = "ada", **headers: str) -> httpx.Response:
        authorization = {"Authorization": f"Bearer {organization}"} if organization else {}
        return self._client.get(f"{self.url}/v1/customers/{customer}/entitlements", headers=authorization | headers)

    def purge(self, names: str) -> int:
        return self._client.request("PURGE", self.url, headers={"Surrogate-Key": names}).status_code

    def limit(self, organization: str, customer: str = "ada") -> int:
        return int(self.asks(organization, customer).json()["entitlements"]["a"]["limit"])


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cdn]:
    with ExitStack() as stack:
        origin = stack.enter_context(Origin(Source(), Floors(), LIFETIMES))
        varnish = stack.enter_context(varnish_before(origin.server_port, tmp_path_factory.mktemp("varnish")))
        yield Cdn(origin, varnish.url, stack.enter_context(httpx.Client(timeout=5)))


@pytest.fixture
def cdn(started: Cdn) -> Cdn:
    started.origin.floors, started.origin.lifetimes = Floors(), LIFETIMES
    assert started.purge(EVERY_ANSWER) == 200
    started.origin.asked.clear()
    return started


def test_the_second_question_is_answered_without_the_service(cdn: Cdn) -> None:
    assert [cdn.asks("acme").headers["X-Cache"] for _ in range(3)] == ["miss", "hit", "hit"]
    assert cdn.origin.asked == ["acme/ada"]


def test_an_organization_never_gets_the_answer_of_another(cdn: Cdn) -> None:
    for _ in range(3):
        for organization in ("acme", "umbrella", "Acme"):
            for customer in ("ada", "bob"):
                document = cdn.asks(organization, customer).json()
                assert (document["organization_id"], document["customer_id"]) == (organization, customer)
    assert len(cdn.origin.asked) == 6


def test_a_key_that_acts_for_many_gets_the_answer_of_the_organization_it_names(cdn: Cdn) -> None:
    for _ in range(3):
        for organization in ("acme", "umbrella", "Acme"):
            document = cdn.asks(ALL, **{"Entitlements-Organization": organization}).json()
            assert document["organization_id"] == organization
    assert len(cdn.origin.asked) == 3
    # What it has of one is purged with that organization's.
    cdn.source.position += 1
    assert cdn.purge(organization_key("acme")) == 200
    limits = {
        name: cdn.asks(ALL, **{"Entitlements-Organization": name}).json()["entitlements"]["a"]["limit"]
        for name in ("acme", "umbrella")
    }
    assert limits["acme"] == limits["umbrella"] + 1


def test_who_shows_no_key_gets_nothing_that_is_kept(cdn: Cdn) -> None:
    cdn.asks("acme")
    assert cdn.asks("").status_code == 401
    assert cdn.asks("acme").status_code == 200


def test_whom_an_answer_is_about_is_not_told_outside(cdn: Cdn) -> None:
    assert "Surrogate-Key" not in cdn.asks("acme").headers


def test_who_has_it_already_is_not_sent_it_again(cdn: Cdn) -> None:
    first = cdn.asks("acme")
    again = cdn.asks("acme", **{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert cdn.asks("acme", **{"If-None-Match": '"another"'}).status_code == 200


def test_what_asks_for_a_position_is_asked_of_the_service(cdn: Cdn) -> None:
    cdn.asks("acme")
    cdn.source.position += 1
    answer = cdn.asks("acme", **{"Entitlements-Consistency": f"0:{cdn.source.position}"})
    assert answer.json()["entitlements"]["a"]["limit"] == cdn.source.position


def test_a_purge_takes_the_answers_of_one_customer_and_no_others(cdn: Cdn) -> None:
    before = cdn.limit("acme")
    cdn.limit("acme", "bob")
    cdn.limit("umbrella")
    cdn.source.position += 1
    assert cdn.purge(customer_key("acme", "ada")) == 200
    assert [cdn.limit("acme"), cdn.limit("umbrella")] == [before + 1, before]
    assert cdn.limit("acme", "bob") == before


@pytest.mark.parametrize("names", ["", "c-1)|(.*", "c-1 || true", "c-1|", '"'])
def test_a_purge_that_says_anything_but_names_is_refused(cdn: Cdn, names: str) -> None:
    assert cdn.purge(names) == 400


def test_who_is_private_is_kept_by_nobody_else(cdn: Cdn) -> None:
    cdn.origin.lifetimes = Lifetimes(client_for=60)
    assert [cdn.asks("acme").headers["X-Cache"] for _ in range(2)] == ["miss", "miss"]
    assert len(cdn.origin.asked) == 2


def test_what_is_known_to_be_old_is_answered_and_not_kept(cdn: Cdn) -> None:
    cdn.origin.floors.rise(0, cdn.source.position + 1, Concerned(customers=frozenset({("acme", "ada")})))
    before = cdn.limit("acme")
    cdn.source.position += 1
    assert cdn.limit("acme") == before + 1
    cdn.limit("acme")
    assert len(cdn.origin.asked) == 2


def test_a_stale_answer_is_given_out_only_for_its_time_and_renewed_meanwhile(cdn: Cdn) -> None:
    cdn.origin.lifetimes = Lifetimes(shared_for=1, stale_for=2)
    before = cdn.limit("acme")
    cdn.source.position += 1
    time.sleep(1.3)
    assert cdn.limit("acme") == before, "stale while it is fetched"
    time.sleep(0.3)
    assert cdn.limit("acme") == before + 1, "fetched by now"
    cdn.source.position += 1
    time.sleep(3.2)
    assert cdn.limit("acme") == before + 2, "past its time nothing stale is given out"


def test_without_a_time_for_it_nothing_stale_is_given_out(cdn: Cdn) -> None:
    cdn.origin.lifetimes = Lifetimes(shared_for=1)
    before = cdn.limit("acme")
    cdn.source.position += 1
    time.sleep(1.1)
    assert cdn.limit("acme") == before + 1


def test_who_may_not_be_kept_waits_for_nobody(cdn: Cdn) -> None:
    """Ten at once are ten questions side by side, and not one after the other."""
    cdn.origin.lifetimes = Lifetimes()
    cdn.asks("acme", "slow")
    cdn.source.takes_for = 0.3
    try:
        began = time.monotonic()
        with ThreadPoolExecutor(10) as pool:
            assert all(answer.status_code == 200 for answer in pool.map(lambda _: cdn.asks("acme", "slow"), range(10)))
        assert time.monotonic() - began < 2.5
    finally:
        cdn.source.takes_for = 0.0


def test_what_may_be_kept_after_all_is_kept(cdn: Cdn) -> None:
    cdn.origin.lifetimes = Lifetimes()
    cdn.asks("acme")
    cdn.origin.lifetimes = LIFETIMES
    assert [cdn.asks("acme").headers["X-Cache"] for _ in range(2)] == ["miss", "hit"]


def test_a_burst_on_one_answer_is_one_question(cdn: Cdn) -> None:
    cdn.source.takes_for = 0.2
    try:
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(lambda _: cdn.asks("acme", "burst"), range(10)))
    finally:
        cdn.source.takes_for = 0.0
    assert cdn.origin.asked == ["acme/burst"]


def test_the_purger_purges_those_concerned_at_once_and_once_more(cdn: Cdn) -> None:
    with Purger([cdn.url], names_of, every_answer=EVERY_ANSWER, again_after_for=1.5) as purger:
        before = cdn.limit("acme")
        cdn.source.position += 1
        purger(Concerned(customers=frozenset({("acme", "ada")})))
        _wait_until_limit(cdn, before + 1, 1.2)
        # An old answer that was on its way while it was purged.
        cdn.source.position += 1
        _wait_until_limit(cdn, before + 2, 4)
        cdn.source.position += 1
        purger(Concerned(organizations=frozenset({"acme"})))
        _wait_until_limit(cdn, before + 3, 1.2)
        cdn.source.position += 1
        purger(Concerned(everybody=True))
        _wait_until_limit(cdn, before + 4, 1.2)


def test_a_cache_that_is_away_is_purged_when_it_is_back(cdn: Cdn) -> None:
    """It stands for one that does not answer: nothing listens there, and the other one is purged all the same."""
    with Purger(["http://127.0.0.1:9", cdn.url], names_of, every_answer=EVERY_ANSWER) as purger:
        before = cdn.limit("acme")
        cdn.source.position += 1
        purger(Concerned(customers=frozenset({("acme", "ada")})))
        _wait_until_limit(cdn, before + 1, 10)  # Unless it is purged, the answer is kept for a minute.


def _wait_until_limit(cdn: Cdn, limit: int, within_for: float) -> None:
    until = time.monotonic() + within_for
    while (found := cdn.limit("acme")) != limit:
        assert time.monotonic() < until, (found, limit)
        time.sleep(0.02)
