"""Usage that waits on disk: it survives kill -9, counts once, and is never dropped silently."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from scripted import Asked, Reply, Script, ScriptedService, eventually

from entitlements_client import Client, Entitlements, Remote, UsageBuffer
from entitlements_client import usage as usage_module
from entitlements_client.errors import BufferIsFull, ClientIsClosed, EntitlementsError, OutcomeUnknown

Serve = Callable[[Script], ScriptedService]


class Counting:
    """Counts lines by their ids, as the service does; can be away, lose answers, and refuse."""

    def __init__(self) -> None:
        self.lines: dict[str, dict[str, Any]] = {}
        self.batches = Counter[str]()
        self.away = False
        self.loses_answers = 0
        self.refuses: dict[str, str] = {}
        self.cannot_read = ""

    def __call__(self, asked: Asked) -> Reply | None:
        if self.away:
            return None
        self.batches[asked.headers["idempotency-key"]] += 1
        if any(line["resource_key"] == self.cannot_read for line in asked.body["usage"]):
            return 422, {"code": "invalid_request", "status": 422}
        results = []
        for line in asked.body["usage"]:
            code = self.refuses.get(line["resource_key"])
            if code is None:
                self.lines[line["usage_id"]] = line
                results.append({"status": "recorded", "usage_id": line["usage_id"]})
            else:
                results.append({"status": 504 if code == "outcome_unknown" else 404, "code": code})
        if self.loses_answers:
            self.loses_answers -= 1
            return None
        return 200, {"results": results}

    @property
    def total(self) -> int:
        return sum(line["quantity"] for line in self.lines.values())


def line(quantity: int = 1, key: str = "api_calls") -> Any:
    return {"customer_id": "acme", "resource_key": key, "quantity": quantity}


@pytest.fixture
def counting() -> Counting:
    return Counting()


@pytest.fixture
def client(serve: Serve, counting: Counting) -> Any:
    with Client(serve(counting).service(change_within=0.2)) as client:
        yield client


@pytest.fixture
def buffer(tmp_path: Path) -> Any:
    buffer = UsageBuffer(tmp_path / "usage.sqlite")
    yield buffer
    buffer.close()


def test_lines_are_reported_as_what_happened_at_its_instant(
    buffer: UsageBuffer, client: Client, counting: Counting
) -> None:
    buffer.add(line(3), usage_id="u-1")
    assert buffer.flush(client) is False
    (told,) = counting.lines.values()
    assert (told["usage_id"], told["mode"], told["quantity"]) == ("u-1", "report", 3)
    assert told["occurred_at"].endswith("Z")
    assert (buffer.progress().waiting, buffer.progress().reported) == (0, 1)


def test_the_same_id_is_one_line(buffer: UsageBuffer, client: Client, counting: Counting) -> None:
    assert [buffer.add(line(), usage_id="u-1") for _ in range(3)] == ["u-1"] * 3
    assert buffer.progress().waiting == 1


def test_a_lost_answer_is_asked_for_again_under_the_same_key(
    buffer: UsageBuffer, client: Client, counting: Counting
) -> None:
    buffer.add_all([line() for _ in range(10)])
    counting.loses_answers = 2
    buffer.flush(client)
    assert (counting.total, list(counting.batches.values())) == (10, [3])


def test_while_the_service_is_away_lines_wait_and_say_why(
    buffer: UsageBuffer, client: Client, counting: Counting
) -> None:
    buffer.add(line())
    counting.away = True
    with pytest.raises(OutcomeUnknown):
        buffer.flush(client)
    time.sleep(0.01)
    assert buffer.progress().waiting == 1
    assert buffer.progress().oldest_for > 0
    counting.away = False
    buffer.flush(client)
    assert counting.total == 1


def test_what_will_never_be_taken_is_put_aside_with_its_reason_and_holds_nobody_up(
    buffer: UsageBuffer, client: Client, counting: Counting
) -> None:
    counting.refuses = {"no_such_key": "unknown_key"}
    buffer.add_all([line(), line(2, "no_such_key"), line()])
    buffer.flush(client)
    assert counting.total == 2
    assert (buffer.progress().waiting, buffer.progress().put_aside) == (0, 1)
    (aside,) = buffer.aside()
    assert (aside["code"], aside["quantity"]) == ("unknown_key", 2)


@pytest.mark.parametrize("code", ["outcome_unknown", "server_is_away", "not_reached_yet", "too_many_usage_ids"])
def test_what_may_pass_waits_on(buffer: UsageBuffer, client: Client, counting: Counting, code: str) -> None:
    counting.refuses = {"slow": code}
    buffer.add_all([line(), line(2, "slow")])
    buffer.flush(client)
    assert buffer.progress().waiting == 1
    with pytest.raises(EntitlementsError):
        buffer.flush(client)
    counting.refuses = {}
    buffer.flush(client)
    assert counting.total == 3


@pytest.mark.parametrize("lines", [1, 3])
def test_while_a_proxy_answers_without_the_service_lines_wait(
    buffer: UsageBuffer, serve: Serve, client: Client, counting: Counting, lines: int
) -> None:
    buffer.add_all([line() for _ in range(lines)])
    for page in ((404, "default backend"), (404, {"code": "not_found", "status": 404}), (302, None)):
        with Client(serve(lambda _, page=page: page).service()) as proxy, pytest.raises(EntitlementsError):
            buffer.flush(proxy)
    assert (buffer.progress().waiting, buffer.progress().put_aside) == (lines, 0)
    buffer.flush(client)
    assert counting.total == lines


def test_one_line_that_cannot_be_read_spoils_no_other(buffer: UsageBuffer, client: Client, counting: Counting) -> None:
    counting.cannot_read = "bad"
    buffer.add_all([line() for _ in range(7)] + [line(1, "bad")] + [line() for _ in range(9)])
    buffer.flush(client)
    assert (counting.total, buffer.progress().put_aside, buffer.progress().waiting) == (16, 1, 0)


def test_one_line_that_no_json_says_holds_nobody_up(buffer: UsageBuffer, client: Client, counting: Counting) -> None:
    half_a_pair, no_number, by_number = "\ud800", float("nan"), 17
    buffer.add({**line(), "subject_id": half_a_pair})
    buffer.add(line(no_number))  # type: ignore[arg-type]
    buffer.add({**line(), "usage_id": by_number})
    buffer.add(line())
    buffer.flush(client)
    assert (counting.total, buffer.progress().put_aside, buffer.progress().waiting) == (2, 2, 0)
    assert {aside["code"] for aside in buffer.aside()} == {"invalid_request"}


def test_a_full_buffer_takes_nothing_and_drops_nothing(tmp_path: Path, client: Client, counting: Counting) -> None:
    buffer = UsageBuffer(tmp_path / "small.sqlite", lines_max=3)
    buffer.add_all([line(), line()])
    with pytest.raises(BufferIsFull):
        buffer.add_all([line(), line()])
    buffer.add(line())
    with pytest.raises(BufferIsFull):
        buffer.add(line())
    buffer.flush(client)
    buffer.add(line())
    buffer.flush(client)
    assert counting.total == 4
    buffer.close()


def test_it_is_reported_in_the_background_and_once_more_at_the_end(
    serve: Serve, counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_module, "EVERY", 0.02)
    buffer = UsageBuffer(tmp_path / "usage.sqlite")
    with Entitlements(serve(counting).service(), Remote(), usage=buffer) as entitlements:
        entitlements.report_usage("acme", "api_calls", 5, subject_id="ann")
        eventually(lambda: counting.total == 5)
        counting.away = True
        entitlements.report_usage("acme", "api_calls", 6)
        counting.away = False
    assert counting.total == 11


def test_a_full_disk_takes_nothing_and_is_well_again_when_there_is_room(
    buffer: UsageBuffer, client: Client, counting: Counting
) -> None:
    (pages,) = buffer._connection.execute("pragma page_count").fetchone()
    buffer._connection.execute(f"pragma max_page_count = {pages + 1}")
    with pytest.raises(BufferIsFull, match="full"):
        buffer.add_all([line() for _ in range(1_000)])
    assert buffer.progress().waiting == 0, "all or none"
    buffer._connection.execute("pragma max_page_count = 1000000")
    buffer.add(line())
    buffer.flush(client)
    assert counting.total == 1


def test_nothing_ends_reporting(
    serve: Serve, counting: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_module, "EVERY", 0.02)
    nonsense = [(200, {"results": []}), (200, {"results": ["ok"]}), (200, {"results": 3}), (200, ["?"])]
    server = serve(lambda asked: nonsense.pop() if nonsense else counting(asked))
    buffer = UsageBuffer(tmp_path / "usage.sqlite")
    with Entitlements(server.service(), Remote(), usage=buffer) as entitlements:
        entitlements.report_usage("acme", "api_calls", 5)
        eventually(lambda: buffer.progress().failure)
        eventually(lambda: counting.total == 5)
    with pytest.raises(ClientIsClosed):
        buffer.progress()


def test_what_happens_after_the_close_waits_for_the_next_start(
    buffer: UsageBuffer, client: Client, counting: Counting, tmp_path: Path
) -> None:
    buffer.close()
    assert [buffer.add(line(3), usage_id="late") for _ in range(2)] == ["late"] * 2
    with pytest.raises(ClientIsClosed):
        buffer.flush(client)
    again = UsageBuffer(tmp_path / "usage.sqlite")
    again.flush(client)
    again.close()
    assert counting.total == 3


_processes = multiprocessing.get_context("spawn")


def add_until_killed(path: str, said: Any) -> None:
    buffer = UsageBuffer(path)
    for number in range(1_000_000):
        buffer.add(line(), usage_id=f"{os.getpid()}-{number}")
        said.send(number)


def test_what_was_taken_survives_kill_nine(tmp_path: Path, client: Client, counting: Counting) -> None:
    path, acknowledged = tmp_path / "usage.sqlite", set[str]()
    for _ in range(2):
        ours, theirs = _processes.Pipe()
        process = _processes.Process(target=add_until_killed, args=(str(path), theirs), daemon=True)
        process.start()
        theirs.close()
        for _ in range(150):
            acknowledged.add(f"{process.pid}-{ours.recv()}")
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join(10)
        try:
            while True:
                acknowledged.add(f"{process.pid}-{ours.recv()}")
        except EOFError:
            pass
    buffer = UsageBuffer(path)
    assert buffer.progress().waiting - len(acknowledged) in {0, 1, 2}, "at most the line under way when each was killed"
    while buffer.flush(client):
        pass
    assert acknowledged <= counting.lines.keys()
    buffer.close()


def test_a_child_that_is_forked_while_others_add_can_add_too(buffer: UsageBuffer) -> None:
    is_over, added = threading.Event(), []

    def add() -> None:
        while not is_over.is_set():
            added.append(buffer.add(line()))

    thread = threading.Thread(target=add, daemon=True)
    thread.start()
    for number in range(5):
        child = os.fork()
        if not child:
            signal.alarm(10)  # It must not wait for a thread that it has not got.
            buffer.add(line(), usage_id=f"child-{number}")
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
    is_over.set()
    thread.join()
    assert buffer.progress().waiting == len(added) + 5


def test_a_line_takes_microseconds_to_note(buffer: UsageBuffer) -> None:
    began = time.perf_counter()
    for _ in range(500):
        buffer.add(line())
    assert (time.perf_counter() - began) / 500 < 0.005
