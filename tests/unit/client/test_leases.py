"""Leases in threads and in asyncio, against a model behind real HTTP; and what becomes of those of a killed process."""

from __future__ import annotations

import asyncio
import errno
import gc
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from modelled import ModelBehindHttp, ModelService
from scripted import Script, ScriptedService, eventually

from entitlements_client import (
    AsyncEntitlements,
    Entitlements,
    FailClosed,
    FailOpen,
    LeaseTerms,
    Remote,
    Service,
    UsageBuffer,
)
from entitlements_client.errors import ClientIsClosed
from entitlements_client.leasing.journal import _HEAD, Journal
from entitlements_client.leasing.terms import Holding

Serve = Callable[[Script], ScriptedService]


@pytest.fixture
def behind() -> ModelBehindHttp:
    return ModelBehindHttp(ModelService(100))


def entitled(service: Service, **more: Any) -> Entitlements:
    terms = LeaseTerms(**({"quantity": 20, "term": 5, "margin": 1.0, "settle_every": 0.05} | more))
    return Entitlements(service, Remote(), leases=terms)


def test_threads_share_a_lease_and_never_exceed_the_limit(serve: Serve, behind: ModelBehindHttp) -> None:
    taken: list[int] = []
    with entitled(serve(behind).service()) as entitlements:
        lease = entitlements.lease("acme", "api_calls")

        def take() -> None:
            while lease.take().allowed:
                taken.append(1)

        threads = [threading.Thread(target=take) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        refused = lease.take()
        assert (refused.allowed, refused.reason_code, refused.source) == (False, "quota_exceeded", "LEASE")
        assert refused.sentence.endswith("requested: more than remains."), "not: unlimited remaining"
    assert sum(taken) == behind.model.consumed == 100
    assert not behind.model.held


def test_the_last_units_of_a_limit_are_handed_out_though_no_more_can_be_leased(
    serve: Serve, behind: ModelBehindHttp
) -> None:
    with entitled(serve(behind).service(), term=60, unsettled_max=0) as entitlements:
        lease, taken = entitlements.lease("acme", "api_calls"), 0
        while lease.take().allowed:
            taken += 1
        assert (taken, lease.unused) == (100, 0)


def test_a_request_that_is_wrong_is_refused_and_no_service_that_is_away(serve: Serve) -> None:
    problem = {"code": "invalid_request", "status": 422}
    with Entitlements(serve(lambda _: (422, problem)).service(), Remote(), otherwise=FailOpen()) as entitlements:
        taken = entitlements.lease("acme" * 100, "api_calls").take()
    assert (taken.allowed, taken.reason_code, taken.source) == (False, "invalid_request", "LEASE")


def test_a_lease_answers_from_memory(serve: Serve, behind: ModelBehindHttp) -> None:
    server = serve(behind)
    with entitled(server.service(), quantity=50, unsettled_max=50, settle_every=10.0) as entitlements:
        lease = entitlements.lease("acme", "api_calls")
        assert lease.take().allowed
        before = len(server.asked)
        assert all(lease.take().source == "LEASE" for _ in range(20))
        assert len(server.asked) == before
        assert (lease.worst_unused, lease.unused, lease.unsettled) == (50, 29, 21)
    assert behind.model.consumed == 21
    assert not behind.model.held, "what is left is given back on close"


def test_tasks_share_a_lease_and_never_exceed_the_limit(serve: Serve, behind: ModelBehindHttp) -> None:
    async def main() -> int:
        terms = LeaseTerms(quantity=20, term=5, margin=1.0, settle_every=0.05)
        async with AsyncEntitlements(serve(behind).service(), Remote(), leases=terms) as entitlements:
            lease = entitlements.lease("acme", "api_calls")
            found = await asyncio.gather(*(lease.take_async() for _ in range(130)))
            return sum(decision.allowed for decision in found)

    assert asyncio.run(main()) == 100 == behind.model.consumed


def test_what_cannot_be_read_of_a_journal_keeps_nobody_from_the_rest(
    serve: Serve, behind: ModelBehindHttp, tmp_path: Path
) -> None:
    folder = str(tmp_path)
    assert behind.model.reserve("left", 10, 60.0)
    journal = Journal(tmp_path)
    for name in ("spoiled", "left"):
        holding = Holding(name, "pool", 10, 0.0, 0.0)
        journal.begin(holding, "acme", "api_calls")
        holding.drawn = 4
        holding.note(holding)
    journal._bytes[_HEAD.size : _HEAD.size + 20] = b"\xff" * 20
    journal.leave()
    with entitled(serve(behind).service(), folder=folder) as entitlements:
        eventually(lambda: behind.model.consumed == 4)
        assert entitlements.lease("acme", "api_calls").take().allowed
        assert all(thread.is_alive() for thread in entitlements._leases._threads)
    assert behind.model.consumed == 5


def test_a_disk_without_room_for_a_journal_is_said_and_leaves_nothing(
    serve: Serve, behind: ModelBehindHttp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def is_full(*_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", is_full, raising=False)
    with entitled(serve(behind).service(), folder=str(tmp_path)) as entitlements:
        with pytest.raises(OSError, match="No space"):
            entitlements.lease("acme", "api_calls")
        assert not list(tmp_path.iterdir())
        monkeypatch.undo()
        assert entitlements.lease("acme", "api_calls").take().allowed
        (journal,) = tmp_path.iterdir()
        assert journal.stat().st_blocks * 512 >= journal.stat().st_size, "what is only mapped would end in SIGBUS"


def test_what_is_closed_can_be_closed_again_and_says_so_when_it_is_asked(
    serve: Serve, behind: ModelBehindHttp, tmp_path: Path
) -> None:
    entitlements = entitled(serve(behind).service(), folder=str(tmp_path))
    assert entitlements.lease("acme", "api_calls").take().allowed
    entitlements.close()
    others = [os.open(tmp_path, os.O_RDONLY) for _ in range(20)]
    entitlements.close()
    for file in others:  # None of them was closed in place of the journal's.
        os.close(file)
    with pytest.raises(ClientIsClosed):
        entitlements.check("acme", "api_calls")


def test_a_task_that_is_cancelled_takes_nothing(serve: Serve, behind: ModelBehindHttp) -> None:
    async def main() -> None:
        terms = LeaseTerms(quantity=20, term=5, margin=1.0, settle_every=10.0)
        behind.away = True
        async with AsyncEntitlements(serve(behind).service(), Remote(), leases=terms) as entitlements:
            lease = entitlements.lease("acme", "api_calls")
            task = asyncio.create_task(lease.take_async(3))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            behind.away = False
            assert (await lease.take_async()).allowed

    asyncio.run(main())
    assert behind.model.consumed == 1


def test_with_nothing_unsettled_every_unit_is_counted_before_it_is_handed_out(
    serve: Serve, behind: ModelBehindHttp
) -> None:
    with entitled(serve(behind).service(), unsettled_max=0) as entitlements:
        lease = entitlements.lease("acme", "api_calls")
        for taken in range(1, 31):
            assert lease.take().allowed
            assert behind.model.consumed >= taken
    assert behind.model.consumed == 30


def test_units_that_were_not_used_are_had_again(serve: Serve, behind: ModelBehindHttp) -> None:
    with entitled(serve(behind).service(), settle_every=10.0, unsettled_max=20) as entitlements:
        lease = entitlements.lease("acme", "api_calls")
        lease.take(5)
        lease.give_back(5)
        lease.take(2)
    assert behind.model.consumed == 2


@pytest.mark.parametrize(("mode", "allowed"), [(FailClosed(), False), (FailOpen(), True)])
def test_where_the_service_is_away_the_mode_answers(
    serve: Serve, behind: ModelBehindHttp, tmp_path: Path, mode: Any, *, allowed: bool
) -> None:
    behind.away = True
    buffer = UsageBuffer(tmp_path / "usage.sqlite")
    terms = LeaseTerms(quantity=20, term=5, margin=1.0)
    service = serve(behind).service(change_within=0.2)
    with Entitlements(service, Remote(), leases=terms, otherwise=mode, usage=buffer) as entitlements:
        found = entitlements.lease("acme", "api_calls").take(2, wait_for=0.3)
        assert (found.allowed, found.source) == (allowed, "FALLBACK")
        assert buffer.progress().waiting == (1 if allowed else 0), "what was given away is reported later"


def test_a_lease_is_used_up_before_it_may_have_expired(serve: Serve, behind: ModelBehindHttp) -> None:
    with entitled(serve(behind).service(), quantity=50, unsettled_max=50, term=2, margin=1.0) as entitlements:
        lease = entitlements.lease("acme", "api_calls")
        assert lease.take().allowed
        behind.away = True
        time.sleep(1.1)
        assert lease.unused == 0
        assert not lease.take(wait_for=0.1).allowed
        behind.away = False
        eventually(lambda: lease.take(wait_for=1.0).allowed)
    assert behind.model.consumed == 2


def test_what_was_handed_out_of_a_lease_that_is_gone_is_reported(serve: Serve, behind: ModelBehindHttp) -> None:
    # It is settled at the end, that is, and is gone by then.
    with entitled(serve(behind).service(), settle_every=60.0) as entitlements:
        lease = entitlements.lease("acme", "api_calls")
        assert lease.take().allowed
        # Who waits for a lease may be settled as it comes; what is taken out of it afterwards is not.
        eventually(lambda: not entitlements._leases._busy)
        assert lease.take(2).allowed
        with behind.lock:
            behind.model.held.clear()
    (seen,) = behind.usage_seen
    assert seen["quantity"] in {2, 3}
    assert (seen["mode"], seen["pool_id"]) == ("report", "pool")
    assert behind.model.consumed == 3


def test_in_an_outage_not_every_request_waits_for_it(serve: Serve, behind: ModelBehindHttp) -> None:
    behind.away = True
    with entitled(serve(behind).service(change_within=0.2), quantity=5) as entitlements:
        lease = entitlements.lease("acme", "api_calls")
        eventually(lambda: lease.take(wait_for=0.5).source == "FALLBACK" and lease._away)
        began = time.monotonic()
        assert {lease.take(wait_for=30.0).source for _ in range(10)} == {"FALLBACK"}
        assert time.monotonic() - began < 5.0
        behind.away = False
        eventually(lambda: lease.take(wait_for=1.0).allowed)


def test_leases_that_nobody_uses_are_forgotten_and_those_that_hold_something_are_not(
    serve: Serve, behind: ModelBehindHttp
) -> None:
    with entitled(serve(behind).service(), quantity=5) as entitlements:
        for number in range(50):
            entitlements.lease(f"c{number}", "api_calls")
        assert entitlements.lease("acme", "api_calls").take(3).allowed
        gc.collect()
        assert list(entitlements._leases._leases) == [("", "acme", "api_calls")]
    assert behind.model.consumed == 3, "and it is settled at the end though nobody held it"


# --- Killed processes ---

_processes = multiprocessing.get_context("spawn")


def draw_and_wait(service: Service, folder: str, quantity: int, said: Any) -> None:
    terms = LeaseTerms(quantity=20, term=30, margin=1.0, settle_every=20.0, unsettled_max=20, folder=folder)
    lease = Entitlements(service, Remote(), leases=terms).lease("acme", "api_calls")
    lease.take()
    lease.take(quantity - 1)
    said.send(True)
    time.sleep(60)


def killed(service: Service, folder: Path, quantity: int) -> None:
    ours, theirs = _processes.Pipe()
    process = _processes.Process(target=draw_and_wait, args=(service, str(folder), quantity, theirs), daemon=True)
    process.start()
    assert ours.poll(20)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)


def test_what_a_killed_process_had_handed_out_is_settled_by_the_next_and_the_rest_is_free(
    serve: Serve, behind: ModelBehindHttp, tmp_path: Path
) -> None:
    service = serve(behind).service()
    killed(service, tmp_path, 7)
    assert sum(held.quantity for held in behind.model.held.values()) > 0
    with entitled(service, folder=str(tmp_path)):
        eventually(lambda: behind.model.consumed == 7 and not behind.model.held)
        eventually(lambda: len(list(tmp_path.iterdir())) == 1)  # Its own.
    assert not list(tmp_path.iterdir())


def test_the_journal_of_somebody_alive_is_left_alone(serve: Serve, behind: ModelBehindHttp, tmp_path: Path) -> None:
    service = serve(behind).service()
    with entitled(service, folder=str(tmp_path), settle_every=20.0) as first:
        assert first.lease("acme", "api_calls").take().allowed
        with entitled(service, folder=str(tmp_path)) as second:
            assert second.lease("acme", "api_calls").take().allowed
            time.sleep(0.2)
            assert len(list(tmp_path.iterdir())) == 2
            assert first.lease("acme", "api_calls").take().allowed
    assert behind.model.consumed == 3
    assert not list(tmp_path.iterdir())


def test_a_forked_child_has_leases_of_its_own(serve: Serve, behind: ModelBehindHttp, tmp_path: Path) -> None:
    with entitled(serve(behind).service(), folder=str(tmp_path), settle_every=20.0, unsettled_max=20) as entitlements:
        lease = entitlements.lease("acme", "api_calls")
        assert lease.take(3).allowed
        child = os.fork()
        if child == 0:
            is_right = lease.unused == 0 and lease.take(2).allowed
            entitlements._leases.close()
            os._exit(0 if is_right else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert lease.take().allowed
        assert behind.model.consumed == 2, "the child settled its own and nothing else"
    assert behind.model.consumed == 6
