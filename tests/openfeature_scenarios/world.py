"""What one of OpenFeature's scenarios has set up, and what came out."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationOptions
from openfeature.hook import Hook


class Recorder(Hook):
    """A hook that writes down when it was called and with what; contexts of its own are merged before."""

    def __init__(self, name: str, calls: list[tuple[str, str, Any]]) -> None:
        self.name, self.calls = name, calls
        self.attributes: dict[str, Any] = {}

    def before(self, hook_context: Any, hints: Any) -> EvaluationContext | None:
        self.calls.append((self.name, "before", None))
        return EvaluationContext(None, self.attributes)

    def after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.calls.append((self.name, "after", details))

    def error(self, hook_context: Any, exception: Exception, hints: Any) -> None:
        self.calls.append((self.name, "error", exception))

    def finally_after(self, hook_context: Any, details: Any, hints: Any) -> None:
        self.calls.append((self.name, "finally", details))


class World:
    """What a scenario has set up, and what came out."""

    def __init__(self, words: dict[str, str]) -> None:
        self.words = words
        self.provider: Any = None
        self.client = api.get_client()
        self.kind = self.key = ""
        self.default: Any = None
        self.context = EvaluationContext(None, {})
        self.options = FlagEvaluationOptions()
        self.calls: list[tuple[str, str, Any]] = []
        self.details: Any = None

    def evaluate(self, suffix: str = "") -> Any:
        ask = getattr(self.client, f"get_{self.kind.lower()}_details{suffix}")
        return ask(self.key, self.default, self.context, self.options)

    def evaluate_beside_a_loop(self) -> None:
        """Evaluate in a running event loop, which alone lets the evaluation go on: were the loop blocked, it would wait in vain."""

        async def main() -> None:
            self.provider.may_go_on = threading.Event()
            under_way = asyncio.create_task(self.evaluate("_async"))
            await asyncio.to_thread(self.provider.is_waiting.wait, 2.0)
            self.provider.may_go_on.set()
            self.details = await under_way

        asyncio.run(main())

    def add(self, level: str, key: str, value: str) -> None:
        """Add an attribute to the context of a level."""
        match level:
            case "API":
                known = api.get_evaluation_context()
                api.set_evaluation_context(EvaluationContext(known.targeting_key, {**known.attributes, key: value}))
            case "Transaction":
                known = api.get_transaction_context()
                api.set_transaction_context(EvaluationContext(None, {**known.attributes, key: value}))
            case "Client":
                self.client.context = EvaluationContext(None, {**self.client.context.attributes, key: value})
            case "Invocation":
                self.context = EvaluationContext(None, {**self.context.attributes, key: value})
            case "Before Hooks":
                hook = Recorder("before", self.calls)
                hook.attributes = {key: value}
                self.client.add_hooks([hook])
            case _:
                raise AssertionError(level)

    def use(self, provider: Any) -> None:
        self.provider = provider
        api.set_provider_and_wait(provider)
