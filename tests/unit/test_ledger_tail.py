"""The reader of the ledger, without a broker."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from entitlements.ledger import tail


def test_a_client_that_never_closes_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """As librdkafka does once in a while after a record with a wrong checksum."""
    closing, never = threading.Event(), threading.Event()

    class Stuck:
        def close(self) -> None:
            closing.set()
            never.wait(30)

    monkeypatch.setattr(tail, "_CLOSE_WITHIN_FOR", 0.05)
    reader: Any = tail.LedgerTail.__new__(tail.LedgerTail)
    reader._consumer = Stuck()
    began = time.monotonic()
    reader.close()
    assert closing.is_set()
    assert time.monotonic() - began < 10
    never.set()
