"""Who asks, by an API key: with a source that counts how often it is asked."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from entitlements.api.auth import api_keys
from entitlements.api.auth.api_keys import ApiKeys
from entitlements.api.auth.errors import InsufficientScope
from entitlements.api.auth.keys import ApiKey
from entitlements.api.auth.scopes import require
from entitlements.api.identity import SCOPES, Unauthenticated
from entitlements.errors import ServerIsAway
from entitlements.settings import Settings

KEY = ApiKey(
    key_id="k1234567",
    organization_id="acme",
    secret_sha256=hashlib.sha256(b"s3cret").digest(),
    scopes=frozenset({"read", "use"}),
    actor="key:k1234567",
)
RIGHT = "Bearer ent_k1234567_s3cret"


class Source:
    """Keys in memory, away when told so."""

    def __init__(self, *keys: ApiKey) -> None:
        self.keys = {key.key_id: key for key in keys}
        self.asked = 0
        self.away = False

    def key_of(self, key_id: str) -> ApiKey | None:
        self.asked += 1
        if self.away:
            raise ServerIsAway("the source")
        return self.keys.get(key_id)


class World:
    """A source, and clocks that stand until they are moved."""

    def __init__(self, *keys: ApiKey) -> None:
        self.now = 1_000.0
        self.source = Source(*keys)
        self.keys = ApiKeys(self.source, Settings(), clock=lambda: self.now, monotonic=lambda: self.now)

    def settle(self) -> None:
        """Wait until what was begun in the background is done."""
        self.keys._reader.submit(lambda: None).result(5)


def test_the_right_secret_says_who_asks() -> None:
    identity = World(KEY).keys.identify(RIGHT)
    assert (identity.key_id, identity.organization_id, identity.actor) == ("k1234567", "acme", "key:k1234567")
    assert identity.scopes == {"read", "use"}


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "Bearer",
        "Basic ent_k1234567_s3cret",
        "Bearer ent_k1234567_wrong",
        "Bearer ent_k1234567_",
        "Bearer ent_k1234567",
        "Bearer ent_other567_s3cret",
        "Bearer ent__s3cret",
        "Bearer ent_k1234567' or 1=1--_s3cret",
        "Bearer ent_k1234567_s3cret\udcff",
        f"Bearer ent_{'k' * 100_000}_s3cret",
    ],
)
def test_everything_else_says_nothing(wrong: str) -> None:
    with pytest.raises(Unauthenticated):
        World(KEY).keys.identify(wrong)


def test_a_key_is_read_once_for_many_requests() -> None:
    world = World(KEY)
    for _ in range(100):
        world.keys.identify(RIGHT)
    assert world.source.asked == 1


def test_a_revoked_key_stops_working_without_anybody_waiting_for_the_source() -> None:
    world = World(KEY)
    world.keys.identify(RIGHT)
    world.source.keys["k1234567"] = replace(KEY, ends_at=world.now)
    world.now += api_keys.READ_AGAIN_AFTER_FOR
    assert world.keys.known(RIGHT) is not None  # It is being read again.
    world.settle()
    with pytest.raises(Unauthenticated):
        world.keys.known(RIGHT)


def test_a_key_that_cannot_be_read_again_holds_for_the_stated_time_and_no_longer() -> None:
    world = World(KEY)
    world.keys.identify(RIGHT)
    world.source.away = True
    world.now += api_keys.HONOURED_FOR_MAX - 0.1
    assert world.keys.identify(RIGHT).organization_id == "acme"
    world.settle()
    world.now += 0.1
    assert world.keys.known(RIGHT) is None
    with pytest.raises(ServerIsAway):
        world.keys.identify(RIGHT)


def test_a_key_revoked_in_the_future_works_until_then_so_that_two_overlap() -> None:
    world = World(replace(KEY, ends_at=1_060.0))
    world.now = 1_059.9
    world.keys.identify(RIGHT)
    world.now = 1_060.0
    with pytest.raises(Unauthenticated):
        world.keys.identify(RIGHT)


def test_an_unknown_key_is_looked_for_once_in_a_while_only() -> None:
    world = World()
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            world.keys.identify(RIGHT)
    assert world.source.asked == 1
    world.source.keys["k1234567"] = KEY
    world.now += api_keys.UNKNOWN_FOR
    assert world.keys.identify(RIGHT).organization_id == "acme"


def test_a_key_that_was_made_just_now_is_looked_for_again() -> None:
    world = World()
    with pytest.raises(Unauthenticated):
        world.keys.identify(RIGHT)
    world.source.keys["k1234567"] = KEY
    world.keys.forget("k1234567")
    assert world.keys.identify(RIGHT).organization_id == "acme"


def test_whoever_makes_keys_up_pushes_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_keys, "REMEMBERED_MAX", 10)
    world = World(KEY)
    world.keys.identify(RIGHT)
    for number in range(100):
        with pytest.raises(Unauthenticated):
            world.keys.identify(f"Bearer ent_guess{number:04}_s3cret")
    asked = world.source.asked
    world.keys.identify(RIGHT)
    assert world.source.asked == asked
    assert len(world.keys._unknown) == 10


def test_while_the_source_hangs_one_waits_for_it_and_all_others_are_told_at_once() -> None:
    world = World(KEY)
    world.source.away = True
    with pytest.raises(ServerIsAway):
        world.keys.identify(RIGHT)
    answers, told = threading.Event(), threading.Event()
    look = world.source.key_of

    def hang(key_id: str) -> ApiKey | None:
        told.set()
        answers.wait(10)
        return look(key_id)

    world.source.key_of = hang  # type: ignore[method-assign]
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(world.keys.identify, RIGHT)
        told.wait(10)
        for ask in (world.keys.known, world.keys.identify):
            with pytest.raises(ServerIsAway):
                ask(RIGHT)
        world.source.away = False
        answers.set()
        assert first.result(10).organization_id == "acme"
    assert world.keys.known(RIGHT) is not None


def test_a_key_that_was_forgotten_is_read_before_it_is_honoured() -> None:
    world = World(KEY)
    world.keys.identify(RIGHT)
    world.source.keys.clear()
    world.keys.forget("k1234567")
    with pytest.raises(Unauthenticated):
        world.keys.identify(RIGHT)


def test_no_scope_implies_another() -> None:
    for held in SCOPES:
        identity = World(replace(KEY, scopes=frozenset({held}))).keys.identify(RIGHT)
        require(identity, held)
        for wanted in set(SCOPES) - {held}:
            with pytest.raises(InsufficientScope):
                require(identity, wanted)


def test_a_scope_that_nobody_knows_opens_nothing() -> None:
    assert World(replace(KEY, scopes=frozenset({"root"}))).keys.identify(RIGHT).scopes == frozenset()


def test_a_remembered_key_costs_microseconds() -> None:
    world = World(KEY)
    world.keys.identify(RIGHT)
    began = time.thread_time()
    for _ in range(10_000):
        world.keys.known(RIGHT)
    assert time.thread_time() - began < 0.5  # 50 us each, ten times what it takes.
