"""How much one request may send, and how many requests of an organization, bytes and questions, are under way at once in a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from entitlements.api.auth.errors import TooManyRequests
from entitlements.api.auth.rates import Rates

#: Bytes of the body of one question: its context may hold 32 KiB of text, each character up to 6 bytes.
QUESTION_BYTES_MAX: Final = 256 * 1024
#: The same of many questions: 10,000 with the longest ids, without contexts, are 5 MB.
QUESTIONS_BYTES_MAX: Final = 8 * 1024 * 1024
#: Bytes of a body that is no batch: a command is at most one record of 1 MiB in the log.
BODY_BYTES_MAX: Final = 2 * 1024 * 1024
#: Bytes of all bodies of an organization that are being read or answered: a thousand of the largest would be 16 GB.
BODIES_BYTES_MAX: Final = 128 * 1024 * 1024
#: Questions (customers times keys) of an organization that are being answered by calls of many; one call has 10,000 at most. The bytes
#: of their answers are counted with those of bodies.
QUESTIONS_MAX: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the door holds requests to. Paths that are not named have the limits of all others."""

    #: Requests of an organization under way.
    requests_max: int = 1_000
    #: Bytes of their bodies together.
    bodies_bytes_max: int = BODIES_BYTES_MAX
    #: Questions that calls of many ask together.
    questions_max: int = QUESTIONS_MAX
    #: Seconds that a body may take to arrive, beside those that its bytes earn (bodies.py).
    body_within_for: float = 10.0
    #: Bytes of a body, by path. The key's own limit holds for all.
    body_bytes_max: Mapping[str, int] = field(default_factory=dict)
    other_body_bytes_max: int = BODY_BYTES_MAX
    #: Batches: only the key's own limit holds.
    batch_paths: frozenset[str] = frozenset()
    #: Counts the requests of each key; None: by this worker alone.
    rates: Rates | None = None
    #: Answers without an end, counted elsewhere.
    stream_paths: frozenset[str] = frozenset()

    def body_bytes(self, path: str, of_key: int) -> int:
        """Bytes that the body of a request may have."""
        if path in self.batch_paths:
            return of_key
        return min(of_key, self.body_bytes_max.get(path, self.other_body_bytes_max))


class UnderWay:
    """Counts the requests of each organization that are being answered, the bytes of their bodies, and their questions.

    For one event loop.
    """

    def __init__(
        self, requests_max: int, bytes_max: int = BODIES_BYTES_MAX, questions_max: int = QUESTIONS_MAX
    ) -> None:
        self._requests_max, self._bytes_max, self._questions_max = requests_max, bytes_max, questions_max
        self._counts: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._questions: Counter[str] = Counter()

    def begin(self, organization_id: str) -> Answering:
        """A request comes in. Raises TooManyRequests; else say `end` of what is returned when it is answered."""
        count = self._counts[organization_id]
        if count >= self._requests_max:
            raise TooManyRequests(f"{count} are in progress; wait for one of them to finish.", "requests", count)
        self._counts[organization_id] = count + 1
        return Answering(self, organization_id)

    def hold(self, organization_id: str, size: int) -> None:
        """So many bytes more are kept. Raises TooManyRequests: then they are not to be."""
        if self._bytes[organization_id] + size > self._bytes_max:
            detail = f"Their bodies, and answers to checks, have {self._bytes_max} bytes; send the next when one is answered."
            raise TooManyRequests(detail, "body_bytes", self._bytes_max)
        self._bytes[organization_id] += size

    def ask(self, organization_id: str, count: int) -> None:
        """So many questions more are to be answered. Raises TooManyRequests: then they are not. Alone each call fits."""
        under_way = self._questions[organization_id]
        if under_way and under_way + count > self._questions_max:
            raise TooManyRequests(
                f"{under_way} checks of bulk requests are in progress and the maximum is {self._questions_max}; "
                f"send these {count} when some of them are answered.",
                "checks",
                self._questions_max,
            )
        self._questions[organization_id] = under_way + count

    def end(self, organization_id: str, size: int, questions: int) -> None:
        """A request is answered, and the bytes of its body are let go."""
        self._counts[organization_id] -= 1
        self._bytes[organization_id] -= size
        self._questions[organization_id] -= questions
        if not self._counts[organization_id]:
            del self._counts[organization_id], self._bytes[organization_id], self._questions[organization_id]


class Answering:
    """One request that is being answered."""

    __slots__ = ("_organization_id", "_questions", "_size", "_under_way")

    def __init__(self, under_way: UnderWay, organization_id: str) -> None:
        self._under_way, self._organization_id, self._size, self._questions = under_way, organization_id, 0, 0

    def hold(self, size: int) -> None:
        """So many bytes more of its body came. Raises TooManyRequests."""
        self._under_way.hold(self._organization_id, size)
        self._size += size

    def ask(self, count: int) -> None:
        """It asks so many questions. Raises TooManyRequests."""
        self._under_way.ask(self._organization_id, count)
        self._questions += count

    def end(self) -> None:
        """It is answered."""
        self._under_way.end(self._organization_id, self._size, self._questions)
