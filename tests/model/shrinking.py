"""The shortest history that still fails in the same way: steps are dropped, lines are dropped, quantities made small."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from tests.model.comparing import Comparison, Disagreement
from tests.model.telling import History, Plain


def failure_of(history: History) -> tuple[str, str] | None:
    """How a history fails: its kind, without numbers and names, and in words; None: it does not."""
    return failure_in(Comparison(history))


def failure_in(comparison: Comparison) -> tuple[str, str] | None:
    """Run a comparison, and how it fails."""
    try:
        comparison.run()
    except Disagreement as found:
        return _kind(found.what), str(found)
    except Exception as error:  # noqa: BLE001 - whatever the domain raises is a finding too.
        return f"{type(error).__name__} {error}", f"{type(error).__name__}: {error}"
    return None


def _kind(what: str) -> str:
    """What differs, by its place: a verdict by its codes, a value by its key and name."""
    differs = re.search(r"(\w+)\.([a-z ]+): domain", what)
    if differs is not None:
        return f"{differs[1]}.{differs[2]}"
    return re.sub(r"\d+", "", what)[:120]


def shrink(history: History, fails: Callable[[History], bool] | None = None) -> History:
    """The shortest history that fails as this one does."""
    if fails is None:
        found = failure_of(history)
        assert found is not None, "it does not fail"
        kind = found[0]

        def fails(tried: History) -> bool:
            failure = failure_of(tried)
            return failure is not None and failure[0] == kind

    size = max(1, len(history.steps) // 2)
    while size:
        at = len(history.steps) - size
        while at >= 0:
            tried = replace(history, steps=history.steps[:at] + history.steps[at + size :])
            if fails(tried):
                history = tried
            at -= max(1, size)
        size //= 2
    return _simpler(history, fails)


def _simpler(history: History, fails: Callable[[History], bool]) -> History:
    """The same steps, with less in them."""
    changed = True
    while changed:
        changed = False
        for tried in _variants(history):
            if fails(tried):
                history, changed = tried, True
                break
    return history


def _variants(history: History) -> Iterator[History]:
    for at in reversed(range(len(history.steps))):
        for step in ([], *([one] for one in _simpler_steps(history.steps[at]))):
            yield replace(history, steps=[*history.steps[:at], *step, *history.steps[at + 1 :]])
    if history.defaults:
        yield replace(history, defaults=[])
    if history.zone != "UTC":
        yield replace(history, zone="UTC")
    for name, of in history.sets.items():
        if any(step.get("set") == name for step in history.steps):
            for rules in _simpler_rules(of["rules"]):
                yield replace(history, sets=history.sets | {name: of | {"rules": rules}})


def _simpler_rules(rules: list[Plain]) -> Iterator[list[Plain]]:
    for at, rule in enumerate(rules):
        if len(rules) > 1:
            yield rules[:at] + rules[at + 1 :]
        for trait in ("per_unit", "grace_for", "hard_limit", "recurs", "overage_at_reset"):
            if trait in rule:
                yield [*rules[:at], {n: v for n, v in rule.items() if n != trait}, *rules[at + 1 :]]
        for traits in (("rollover_min", "rollover_max"), ("credit_key", "credit_rate")):
            if traits[1] in rule:
                yield [*rules[:at], {n: v for n, v in rule.items() if n not in traits}, *rules[at + 1 :]]


def _simpler_steps(step: Plain) -> Iterator[Plain]:
    if len(step.get("lines", ())) > 1:
        for at in range(len(step["lines"])):
            yield step | {"lines": step["lines"][:at] + step["lines"][at + 1 :]}
    for line in step.get("lines", ())[:1]:
        for name, value in (("workspace", ""), ("subject", ""), ("usage", None)):
            if line.get(name):
                yield step | {"lines": [line | {name: value}, *step["lines"][1:]]}
    for name, usual in _USUAL.items():
        if step.get(name) not in (None, usual):
            yield {n: v for n, v in step.items() if n != name} | ({} if usual is None else {name: usual})


#: What a field is in the simplest history.
_USUAL: dict[str, Any] = {
    "priority": 0, "workspace": "", "subject": "", "ends_at": None, "starts_at": None, "part": None, "keep_rest": False,
    "hard_limit": None, "idempotency_key": None, "overage_at_reset": None, "expires_at": None,
}  # fmt: skip
