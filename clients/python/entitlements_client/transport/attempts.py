"""What is sent again, when, and what is made of it in the end. A generator: it asks for sending and pausing, and does neither."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from entitlements_client.errors import EntitlementsError, NotReachedYet, OutcomeUnknown, ServiceIsAway, error_of
from entitlements_client.transport.call import CONSISTENCY, Answer, Call, NoAnswer

T = TypeVar("T")

#: Answers after which the same request may find the service well: each has one effect however often it is sent.
PASSING: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
#: What whoever stands before the service says in its place, and means as it does; of all else its own problems have a code.
_ANYBODYS: Final = frozenset({401, 403, 413})


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How long a request is retried. Seconds; exponential backoff from the first to the longest pause, with full jitter."""

    read_within: float = 5.0
    change_within: float = 30.0
    pause_for_min: float = 0.05
    pause_for_max: float = 2.0
    attempts_max: int = 8


@dataclass(frozen=True, slots=True)
class Send:
    """Send the request now and wait so many seconds at most."""

    call: Call[Any]
    timeout_for: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds."""

    seconds: float


Came: TypeAlias = Answer | NoAnswer | None
#: What a shell carries out: it sends or pauses, and says what came.
Attempts: TypeAlias = Generator[Send | Pause, Came, T]
#: Several calls one after another, each with the result of the one before.
Steps: TypeAlias = Generator[Call[Any], Any, T]


def conversation(steps: Steps[T], retries: Retries) -> Attempts[T]:
    """Send the calls that the steps ask for, one after another; what a call raises is raised in the steps."""
    try:
        call = next(steps)
        while True:
            try:
                result = yield from attempts(call, retries)
            except EntitlementsError as error:
                call = steps.throw(error)
            else:
                call = steps.send(result)
    except StopIteration as end:
        returned: T = end.value
        return returned


def attempts(
    call: Call[T],
    retries: Retries,
    clock: Callable[[], float] = time.monotonic,
    jitter: Callable[[], float] = random.random,
) -> Attempts[T]:
    """Send a call until it is answered, refused, or time is up. Returns what the answer says, or raises an EntitlementsError.

    A call that changes something and may have been seen by the service ends as OutcomeUnknown, never as ServiceIsAway.
    """
    within = retries.change_within if call.idempotency_key else retries.read_within
    until, seen, pause_for = clock() + within, False, retries.pause_for_min
    for attempt in range(1, retries.attempts_max + 1):
        came = yield Send(call, max(0.001, until - clock()))
        assert came is not None, "an attempt ends with an answer or without one"
        if isinstance(came, Answer) and not _is_passing(call, came):
            return _result(call, came)
        seen = seen or _may_have_happened(came)
        pause = max(pause_for * jitter(), _retry_after(came))
        if attempt == retries.attempts_max or clock() + pause >= until:
            raise _failure(call, came, seen=seen)
        yield Pause(pause)
        pause_for = min(2 * pause_for, retries.pause_for_max)
    raise AssertionError("the last attempt returns or raises")


def _is_passing(call: Call[Any], answer: Answer) -> bool:
    if answer.status == 409 and CONSISTENCY in call.headers:
        return bool(answer.problem().get("code") == NotReachedYet.code)
    return answer.status in PASSING


def _result(call: Call[T], answer: Answer) -> T:
    problem = answer.problem() if answer.status >= 400 else {}
    if problem.get("code") or answer.status in _ANYBODYS:
        raise error_of(answer.status, problem)
    try:
        if answer.status >= 300 and answer.status != 304:
            raise ValueError(answer.status)
        return call.parse(answer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # Not the service's: that of a proxy without it, or of a network that wants somebody to sign in.
        said = f"The answer is not understood: HTTP {answer.status}, {answer.content[:80].decode(errors='replace')}"
        key = call.idempotency_key
        raise (OutcomeUnknown(said, idempotency_key=key) if key else ServiceIsAway(said)) from error


def _retry_after(came: Answer | NoAnswer) -> float:
    """Seconds that the service asks to wait."""
    said = came.headers.get("retry-after", "") if isinstance(came, Answer) else ""
    return float(said) if said.replace(".", "", 1).isdigit() else 0.0


def _may_have_happened(came: Answer | NoAnswer) -> bool:
    return came.was_sent if isinstance(came, NoAnswer) else came.status != 429


def _failure(call: Call[Any], last: Answer | NoAnswer, *, seen: bool) -> EntitlementsError:
    error = error_of(last.status, last.problem()) if isinstance(last, Answer) else ServiceIsAway(last.reason)
    if call.idempotency_key and seen:
        said = "" if isinstance(error, OutcomeUnknown) and error.problem else str(error)
        return OutcomeUnknown(said, error.problem, error.status, call.idempotency_key)
    # Of a question there is no outcome that could be unknown: there is just no answer.
    return ServiceIsAway(str(error), error.problem, error.status) if isinstance(error, OutcomeUnknown) else error
