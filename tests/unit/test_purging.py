"""What is said of a cache that does not take its purges."""

from __future__ import annotations

import logging
import threading
from typing import Any, cast

import pytest

from entitlements.access.caching import purging
from entitlements.access.caching.floors import Concerned


def test_a_cache_that_is_away_is_told_of_once_without_its_password(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(purging, "TRY_AGAIN_AFTER_FOR", 0.01)
    attempts, enough, is_there = list[int](), threading.Event(), threading.Event()
    really = purging._Cache._purge

    def purge(cache: Any, client: Any, names: list[str]) -> None:
        attempts.append(1)
        if not is_there.is_set():
            really(cache, client, names)

    monkeypatch.setattr(purging._Cache, "_purge", purge)
    monkeypatch.setattr(purging._Cache, "_say", lambda cache, failure, say=purging._Cache._say: (
        say(cache, failure), enough.set() if len(attempts) >= 5 and (is_there.is_set() == (not failure)) else None,
    ))  # fmt: skip
    with purging.Purger(["http://u:hunter7@127.0.0.1:1/"], lambda _: {"a"}, every_answer="all") as purger:
        purger(cast(Concerned, None))
        assert enough.wait(20)
        enough.clear()
        is_there.set()
        assert enough.wait(20)
    assert [record.levelname for record in caplog.records if record.name == purging.__name__] == ["WARNING", "INFO"]
    assert "hunter7" not in caplog.text
    assert "Purge of http://127.0.0.1:1/ failed, retrying: " in caplog.text
