"""OpenFeature's scenarios: which apply to our provider by README.md, and a provider between them and the running service."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gherkin.parser import Parser
from gherkin.pickles.compiler import Compiler
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails

from entitlements_client import Cached, Entitlements, Local, Remote, Retries, Service
from entitlements_client.asking.ways import Way
from entitlements_client.openfeature import EntitlementsProvider

HERE: Final = Path(__file__).parent
FEATURES: Final = HERE / "features"
#: No view grows old during a run.
WAYS: Final[dict[str, Way]] = {"Remote": Remote(), "Cached": Cached(ttl=3600.0), "Local": Local()}
CUSTOMERS_EMAIL: Final = "fan@customers.example"

FEATURE_KEYS: Final = ("boolean-flag", "boolean-zero-flag", "boolean-targeted-zero-flag", "object-flag", "wrong-flag")
NUMBERS: Final = ("integer-flag", "float-flag")
ZEROS: Final = ("integer-zero-flag", "float-zero-flag", "integer-targeted-zero-flag", "float-targeted-zero-flag")
_QUOTA: Final = {"rule_type": "quota", "amount": 10, "period": "lifetime", "stacking": "sum"}
#: What the customer of the scenarios has; of all other keys it has nothing.
RULES: Final[list[dict[str, Any]]] = [
    *({"resource_key": key, "rule_type": "boolean", "stacking": "any"} for key in ("boolean-flag", "object-flag")),
    *({"resource_key": key} | _QUOTA for key in NUMBERS),
]
#: Who has this address may use a key that the plan does not include.
TARGETING: Final[dict[str, Any]] = {
    "policy_id": "targeted", "name": "Targeted", "effect": "ALLOW", "resource_keys": ["boolean-targeted-zero-flag"],
    "conditions": [{"field": "metadata.email", "operator": "equals", "value": CUSTOMERS_EMAIL}],
}  # fmt: skip


# --- The tables of README.md ---


def table(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its first two lines."""
    section = (HERE / "README.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


@dataclass(frozen=True)
class NotApplicable:
    """Scenarios of a suite that cannot apply. examples: a column and its value, or "". ways: or none: all."""

    suite: str
    scenario: str
    examples: str
    ways: tuple[str, ...]
    reason: str

    def covers(self, suite: str, scenario: str, example: Mapping[str, str], way: str) -> bool:
        column, _, value = self.examples.partition(": ")
        is_example = not column or example.get(column) == value
        return (suite, scenario) == (self.suite, self.scenario) and is_example and (not self.ways or way in self.ways)


NOT_APPLICABLE: Final = [
    NotApplicable(suite, scenario, examples, tuple(re.findall(r"\w+", ways)), reason)
    for suite, scenario, examples, ways, reason in table("What does not apply")
]
#: The suite's word to ours, by way.
WORDS: Final = {
    way: {row[0]: row[1 + place] for row in table("Words")} for place, way in enumerate(("Remote", "Cached", "Local"))
}


def every_example() -> Iterator[tuple[str, str, dict[str, str]]]:
    """Suite, scenario and example of everything in the files, by Cucumber's own parser."""
    for file in sorted(FEATURES.glob("*.feature")):
        document: Any = Parser().parse(file.read_text())
        for child in document["feature"]["children"]:
            scenario = child.get("scenario")
            if scenario is None:
                continue
            if not scenario["examples"]:
                yield file.stem, scenario["name"], {}
            for examples in scenario["examples"]:
                names = [cell["value"] for cell in examples["tableHeader"]["cells"]]
                for row in examples["tableBody"]:
                    yield file.stem, scenario["name"], dict(zip(names, (c["value"] for c in row["cells"]), strict=True))


def how_many_in(file: Path) -> int:
    """How many scenarios Cucumber makes of a file."""
    document: Any = Parser().parse(file.read_text())
    return len(Compiler().compile({**document, "uri": file.name}))


# --- Between the SDK and the service ---


class Recording(EntitlementsProvider):
    """Our provider, which remembers the context of the last evaluation, and can be held up in the middle of one."""

    def __init__(self, entitlements: Entitlements, connect_within: float = 5.0) -> None:
        super().__init__(entitlements, connect_within)
        self.context = EvaluationContext()
        self.may_go_on: threading.Event | None = None
        self.is_waiting, self.went_on = threading.Event(), True

    def _resolve(
        self, flag_key: str, default: Any, context: EvaluationContext | None, convert: Any
    ) -> FlagResolutionDetails[Any]:
        self.context = context or EvaluationContext()
        if self.may_go_on is not None:
            self.is_waiting.set()
            self.went_on = self.may_go_on.wait(2.0)
        return super()._resolve(flag_key, default, context, convert)


def nowhere(port: int) -> Service:
    """A service that nobody runs."""
    return Service(f"http://127.0.0.1:{port}", "ent_none_none", Retries(read_within=0.1))


def value_of(kind: str, text: str) -> Any:
    """A value as the suites write it."""
    convert: dict[str, Callable[[str], Any]] = {
        "boolean": lambda text: {"true": True, "false": False}[text.lower()],
        "integer": int,
        "float": float,
        "string": str,
        "object": lambda text: json.loads(text.replace('\\"', '"')),
    }
    return convert[kind.lower()](text)


def eventually(holds: Callable[[], Any], within: float = 10.0) -> None:
    until = time.monotonic() + within
    while not holds():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.005)
