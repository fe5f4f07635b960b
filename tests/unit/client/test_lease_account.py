"""The arithmetic of leases over generated histories: several clients with clocks of their own, a service that forgets what expires,
requests and answers that are lost, clients that are killed. No threads: lease.py does with a service what Client.work does here.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from modelled import ModelService

from entitlements_client.leasing.account import Account
from entitlements_client.leasing.terms import (
    NEVER,
    Commit,
    Extend,
    Holding,
    LeaseTerms,
    Need,
    Release,
    Reserve,
)

LIMIT = 60
names = itertools.count()


class ModelClient:
    """Its clock runs fast or slow by `rate`, and began somewhere else."""

    def __init__(self, service: ModelService, terms: LeaseTerms, rate: float, offset: float) -> None:
        self.service, self.terms, self.rate, self.offset = service, terms, rate, offset
        self.account = Account(terms, lambda: f"r{next(names)}")
        self.taken = 0

    @property
    def now(self) -> float:
        return self.service.now * self.rate + self.offset

    def take(self, quantity: int) -> bool:
        before = {holding: holding.unsettled for holding in self.account.holdings}
        taken = self.account.draw(quantity, self.now)
        for holding in self.account.holdings:
            if holding.unsettled > before.get(holding, 0):
                held = self.service.held.get(holding.reservation_id)
                assert held is not None, "a unit of a lease that has expired was handed out"
                assert holding.unsettled <= held.quantity + holding.committing
            assert 0 <= holding.drawn <= holding.quantity
            assert holding.committed <= holding.quantity
        assert self.account.unsettled <= self.terms.unsettled
        self.taken += quantity if taken else 0
        return taken

    def give_back(self, quantity: int) -> None:
        self.taken -= self.account.give_back(min(quantity, self.taken))

    def work(self, network: str, steps_max: int = 20) -> None:
        """Do what has to be done; the network loses the first request ("cut") or its answer ("lost")."""
        for _ in range(steps_max):
            need = self.account.need(self.now)
            if need is None:
                return
            if isinstance(need, Commit):
                self.account.commits(need)
            if network == "cut":
                return
            answer = self._send(need)
            if network == "lost":
                return
            self._take_in(need, answer=answer)

    def _send(self, need: Need) -> bool:
        match need:
            case Reserve():
                return self.service.reserve(need.reservation_id, need.quantity, self.terms.term)
            case Commit(holding=holding):
                key = holding.idempotency_key
                held = self.service.commit(holding.reservation_id, key, holding.committing, final=holding.final)
                if not held:
                    self.service.report(key, min(holding.committing, holding.unsettled))
                return held
            case Extend(holding=holding):
                return self.service.extend(holding.reservation_id, self.terms.term)
            case Release(holding=holding):
                holding.usable_until = -NEVER
                self.service.release(holding.reservation_id)
                return True

    def _take_in(self, need: Need, *, answer: bool) -> None:
        match need:
            case Reserve() if answer:
                self.account.reserved(need, need.reservation_id, "pool", need.quantity)
            case Reserve():
                self.account.refused("quota_exceeded", self.service.free, self.now + 1.0)
            case Commit(holding=holding) if answer:
                self.account.committed(holding, self.now)
            case Commit(holding=holding):
                self.account.gone(holding, min(holding.committing, holding.unsettled))
            case Extend(holding=holding) if answer:
                self.account.extended(holding, self.now)
            case Extend(holding=holding) | Release(holding=holding):
                self.account.gone(holding)


RATES = st.floats(0.97, 1.03)
CLIENTS = st.lists(st.tuples(RATES, st.floats(-1e6, 1e6)), min_size=1, max_size=4)
NETWORK = st.sampled_from(["well"] * 6 + ["cut", "lost"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("take"), st.integers(0, 3), st.integers(1, 8)),
        st.tuples(st.just("take"), st.integers(0, 3), st.integers(1, 2)),
        st.tuples(st.just("work"), st.integers(0, 3), NETWORK),
        st.tuples(st.just("give back"), st.integers(0, 3), st.integers(1, 3)),
        st.tuples(st.just("tick"), st.just(0), st.floats(0.1, 25.0)),
        st.tuples(st.just("kill"), st.integers(0, 3), st.just(0)),
    ),
    max_size=120,
)


class History:
    def __init__(self, clients: list[tuple[float, float]], terms: LeaseTerms) -> None:
        self.service, self.killed = ModelService(LIMIT), 0
        self.clients = [ModelClient(self.service, terms, rate, offset) for rate, offset in clients]
        self.taken_by_killed = 0

    @property
    def handed_out(self) -> int:
        return self.taken_by_killed + sum(client.taken for client in self.clients)

    def do(self, what: str, who: int, how: object) -> None:
        place = who % len(self.clients)
        client = self.clients[place]
        match what, how:
            case "take", int(quantity):
                if not client.take(quantity):
                    client.account.waiting = (quantity,)
                    client.work("well" if quantity % 2 else "cut")
                    client.take(quantity)
                    client.account.waiting = ()
            case "work", str(network):
                client.work(network)
            case "give back", int(quantity):
                client.give_back(quantity)
            case "tick", float(seconds):
                self.service.tick(seconds)
            case "kill", _:
                self.taken_by_killed += client.taken
                self.clients[place] = ModelClient(self.service, client.terms, client.rate, client.offset)

    def close(self) -> None:
        for client in self.clients:
            client.account.is_closing = True
            client.work("well", 1000)
            assert not client.account.holdings


@settings(max_examples=300, deadline=None)
@given(CLIENTS, STEPS, st.integers(1, 40))
def test_counted_before_it_is_handed_out_nothing_ever_exceeds_the_limit(
    clients: list[tuple[float, float]], steps: list[tuple[str, int, object]], quantity: int
) -> None:
    history = History(clients, LeaseTerms(quantity=quantity, term=60, margin=5.0, unsettled_max=0))
    for step in steps:
        history.do(*step)
        assert history.handed_out <= history.service.consumed <= LIMIT
    history.close()
    history.service.tick(61)
    assert history.service.free == LIMIT - history.service.consumed


@settings(max_examples=300, deadline=None)
@given(CLIENTS, STEPS, st.integers(1, 40), st.integers(0, 40))
def test_without_kills_everything_handed_out_is_counted_once_and_the_rest_is_free_again(
    clients: list[tuple[float, float]], steps: list[tuple[str, int, object]], quantity: int, unsettled: int
) -> None:
    history = History(clients, LeaseTerms(quantity=quantity, term=60, margin=5.0, unsettled_max=unsettled))
    was_given_back = False
    for step in steps:
        if step[0] != "kill":
            was_given_back = was_given_back or step[0] == "give back"
            history.do(*step)
    history.close()
    consumed = history.service.consumed
    # What was counted ahead of being handed out, or given back after it was counted, stays counted.
    assert consumed == history.handed_out or (consumed > history.handed_out and (was_given_back or unsettled < 8))
    history.service.tick(61)
    assert not history.service.held


@settings(max_examples=200, deadline=None)
@given(CLIENTS, STEPS, st.integers(1, 40), st.integers(1, 20))
def test_what_could_pass_the_limit_is_bounded_by_what_was_unsettled(
    clients: list[tuple[float, float]], steps: list[tuple[str, int, object]], quantity: int, unsettled: int
) -> None:
    history = History(clients, LeaseTerms(quantity=quantity, term=60, margin=5.0, unsettled_max=unsettled))
    lost = 0
    for step in steps:
        if step[0] == "kill":
            lost += history.clients[step[1] % len(history.clients)].account.unsettled
        history.do(*step)
        assert history.handed_out - lost <= history.service.consumed + len(history.clients) * unsettled
    assert lost <= unsettled * sum(step[0] == "kill" for step in steps)


def steady(terms: LeaseTerms) -> ModelClient:
    return ModelClient(ModelService(LIMIT), terms, 1.0, 0.0)


def take_or_wait(client: ModelClient, quantity: int = 1) -> bool:
    if client.take(quantity):
        return True
    client.account.waiting = (quantity,)
    client.work("well")
    client.account.waiting = ()
    return client.take(quantity)


def test_most_takes_need_nobody_else() -> None:
    client = steady(LeaseTerms(quantity=40, unsettled_max=40))
    assert take_or_wait(client)
    assert [client.take(1) for _ in range(20)] == [True] * 20


def test_the_worst_unused_amount_is_the_quantity() -> None:
    client = steady(LeaseTerms(quantity=20))
    for _ in range(30):
        take_or_wait(client)
        client.work("well")
        unused = sum(held.quantity for held in client.service.held.values()) - client.account.unsettled
        assert unused <= 20


def test_a_lease_that_nobody_uses_is_given_back() -> None:
    client = steady(LeaseTerms(quantity=20, term=60, margin=5.0, settle_every=1.0))
    take_or_wait(client)
    for _ in range(60):
        client.service.tick(1.0)
        client.work("well")
    assert not client.service.held
    assert client.service.consumed == 1


def test_a_lease_in_use_is_extended_and_never_runs_out() -> None:
    client = steady(LeaseTerms(quantity=50, term=60, margin=5.0))
    for _ in range(500):
        assert take_or_wait(client) or client.service.consumed + 1 > LIMIT
        if client.service.consumed >= LIMIT - 5:
            break
        client.service.tick(9.0)
        client.work("well")


def test_the_last_units_of_a_quota_are_had_though_a_whole_lease_does_not_fit() -> None:
    client = steady(LeaseTerms(quantity=40, unsettled_max=40))
    taken = 0
    while take_or_wait(client):
        taken += 1
        client.work("well")
        client.service.tick(2.0)
    assert taken == LIMIT


def test_after_a_cut_that_is_longer_than_the_lease_nothing_is_handed_out_of_it() -> None:
    client = steady(LeaseTerms(quantity=40, unsettled_max=40, term=60, margin=5.0))
    assert take_or_wait(client)
    client.service.tick(56.0)
    assert not client.take(1)


def test_what_was_committed_already_can_be_handed_out_after_the_lease_is_over() -> None:
    client = steady(LeaseTerms(quantity=40, unsettled_max=0, term=60, margin=5.0))
    assert take_or_wait(client, 5)
    client.give_back(3)
    client.service.tick(100.0)
    assert client.take(3)
    assert not client.take(1)


def test_what_was_given_back_after_it_was_counted_is_not_there_twice() -> None:
    client = steady(LeaseTerms(quantity=3, unsettled_max=3))
    assert take_or_wait(client, 2)
    client.work("well")
    client.give_back(2)
    there = client.account.unused(client.now)
    assert there == sum(held.quantity for held in client.service.held.values()) + 2
    assert not client.take(there + 1)
    assert client.take(there)


@pytest.mark.parametrize("terms", [{"quantity": 0}, {"margin": 60.0}, {"margin": 0.0}, {"unsettled_max": -1}])
def test_terms_that_cannot_hold_are_refused(terms: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="lease"):
        LeaseTerms(**terms)  # type: ignore[arg-type]


def test_a_holding_says_what_is_left_to_be_done() -> None:
    holding = Holding("r", "p", 10, NEVER, 0.0, drawn=4, committed=1)
    assert (holding.unsettled, holding.is_settled) == (3, False)


def test_the_key_of_a_commit_is_the_same_after_a_crash_and_no_other_commit_has_it() -> None:
    keys = [
        Holding(name, "p", 9, NEVER, 0.0, sequence=at).idempotency_key
        for name, at in (("r", 11), ("r-1", 1), ("r1", 1))
    ]
    assert keys[0] == Holding("r", "p", 9, NEVER, 5.0, sequence=11).idempotency_key
    assert len(set(keys)) == 3
