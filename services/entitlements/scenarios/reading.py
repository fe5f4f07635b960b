"""A scenario file, YAML, to steps. Every mistake names its place and what may stand there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml
from pydantic import TypeAdapter, ValidationError

from entitlements.domain import commands, plan_commands, usage_commands
from entitlements.domain.commands import Command, PoolCommand, RecordUsage
from entitlements.domain.values import Rule
from entitlements.errors import RequestError

LIBRARY: Final = Path(__file__).with_name("library")
BEGINS_AT: Final = datetime(2026, 3, 2, 12, tzinfo=UTC)
POOL: Final = "pool"
_AFTER: Final = re.compile(r"\+(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_OF_SET: Final = ("set_id", "set_version", "ladder", "rung", "rules")
_STEP: Final = frozenset({"at", "do", "use", "expect"})
_EXPECTED: Final = frozenset({"events", "refused", "refused_lines", "keys", "pool"})
_DEFINED_IN: Final = (commands, plan_commands, usage_commands)


class ScenarioIsInvalid(RequestError):
    """The scenario cannot be read."""

    code = "scenario_is_invalid"


@dataclass(frozen=True, kw_only=True)
class Step:
    """At an instant: a command, if any, and what is expected after it."""

    number: int
    at: datetime
    command: Command | None
    expected: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A name, what it is about, and its timeline."""

    path: Path
    name: str
    feature: str
    about: str
    steps: list[Step] = field(default_factory=list)


@cache
def command_classes() -> dict[str, type[Command]]:
    """Every command of a pool by the name of its class; usage has the short word `use`."""
    return {
        name: kind
        for module in _DEFINED_IN
        for name, kind in vars(module).items()
        if isinstance(kind, type) and issubclass(kind, PoolCommand) and kind not in (PoolCommand, RecordUsage)
    }


def find(paths: list[Path]) -> list[Path]:
    """The files of folders and files; none: the library. Raises ScenarioIsInvalid."""
    found: list[Path] = []
    for path in paths or [LIBRARY]:
        if not path.exists():
            raise ScenarioIsInvalid(f"{path} does not exist.")
        found += sorted(path.rglob("*.yaml")) if path.is_dir() else [path]
    return found


def read(path: Path) -> Scenario:
    """Read one scenario. Raises ScenarioIsInvalid."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ScenarioIsInvalid(f"{path}: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not isinstance(content.get("timeline"), list):
        raise ScenarioIsInvalid(f"{path}: it has a name, a feature, an about, sets, and a timeline of steps.")
    reader = _Reader(path, content.get("sets") or {}, content.get("pool") or {})
    return Scenario(
        path=path,
        name=str(content.get("name", path.stem)),
        feature=str(content.get("feature", path.parent.name)),
        about=str(content.get("about", "")),
        steps=reader.steps(content["timeline"]),
    )


class _Reader:
    """Reads the steps of one file."""

    def __init__(self, path: Path, sets: dict[str, Any], pool: dict[str, Any]) -> None:
        self._path = path
        self._sets = {name: self._set(name, given) for name, given in sets.items()}
        self._pool = {"organization_id": "acme", "billing_account_id": "acme-billing"} | pool
        self._place = "the pool"

    def steps(self, timeline: list[Any]) -> list[Step]:
        at = BEGINS_AT
        opening = self._command("OpenPool", self._pool, 0)
        steps = [Step(number=0, at=at, command=opening, expected={})]
        for number, given in enumerate(timeline, 1):
            self._place = f"step {number}"
            if not isinstance(given, dict):
                self._fail("a step is one of at, do, use and expect")
            self._check(given, _STEP)
            at = self._instant(given["at"], at) if "at" in given else at
            expected = given.get("expect") or {}
            self._check(expected, _EXPECTED)
            steps.append(Step(number=number, at=at, command=self._asked(given, number), expected=expected))
        return steps

    def _asked(self, given: dict[str, Any], number: int) -> Command | None:
        if "use" in given:
            return self._usage(given["use"], number)
        if "do" not in given:
            return None
        done = given["do"]
        if not isinstance(done, dict) or len(done) != 1:
            self._fail("do names one command with its fields")
        ((name, facts),) = done.items()
        return self._command(name, facts or {}, number)

    def _command(self, name: str, facts: dict[str, Any], number: int) -> Command:
        known = command_classes()
        if name not in known:
            near = get_close_matches(name, known, 1)
            self._fail(f"there is no command {name}" + (f": did you mean {near[0]}?" if near else ""))
        kind = known[name]
        hints = {field for base in kind.__mro__ for field in getattr(base, "__annotations__", {})}
        facts = self._with_sets(facts, hints)
        carried = {"command_id": f"step-{number}", "actor": "admin", "pool_id": POOL}
        if name == "ProvisionPool":
            carried["source"] = "subscription"
        self._check(facts, hints)
        try:
            command: Command = TypeAdapter(kind).validate_python(carried | facts)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            self._fail(f"{name}.{'.'.join(map(str, first['loc']))}: {first['msg']}")
        return command

    def _with_sets(self, facts: dict[str, Any], hints: set[str]) -> dict[str, Any]:
        facts = dict(facts)
        for word, prefix in (("set", ""), ("then_set", "then_")):
            if word in facts:
                name = facts.pop(word)
                if name not in self._sets:
                    self._fail(f"there is no set {name}: sets are {', '.join(self._sets) or 'not defined'}")
                of_set = {f"{prefix}{key}": self._sets[name][key] for key in _OF_SET if f"{prefix}{key}" in hints}
                facts = of_set | facts
        for key in ("rules", "then_rules", "defaults"):
            if key in facts:
                facts[key] = [rule if isinstance(rule, Rule) else self._rule(rule) for rule in facts[key]]
        return facts

    def _usage(self, given: Any, number: int) -> RecordUsage:
        lines = given if isinstance(given, list) else [given]
        made = []
        facts: dict[str, Any] = {}
        for line in lines:
            allowed = {
                "key",
                "quantity",
                "mode",
                "occurred_at",
                "workspace",
                "subject",
                "id",
                "idempotency_key",
                "pool",
            }
            self._check(line, allowed)
            occurred = line.get("occurred_at")
            made.append(
                {
                    "resource_key": str(line.get("key", "")),
                    "quantity": line.get("quantity", 1),
                    "mode": line.get("mode", "strict"),
                    "occurred_at": 0 if occurred is None else round(self._aware(occurred).timestamp() * 1000),
                    "workspace_id": line.get("workspace", ""),
                    "usage_id": line.get("id", ""),
                    "subject_id": line.get("subject", ""),
                }
            )
            facts = {"idempotency_key": line.get("idempotency_key")}
        return RecordUsage(command_id=f"step-{number}", pool_id=POOL, lines=made, **facts)  # type: ignore[arg-type]

    def _set(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        self._place = f"set {name}"
        self._check(given, {"rules", "ladder", "rung", "version"})
        return {
            "set_id": name,
            "set_version": given.get("version", 1),
            "ladder": given.get("ladder"),
            "rung": given.get("rung"),
            "rules": [self._rule(rule) for rule in given.get("rules", [])],
        }

    def _rule(self, given: dict[str, Any]) -> Rule:
        facts = dict(given)
        if "key" in facts:
            facts["resource_key"] = facts.pop("key")
        if "type" in facts:
            facts["rule_type"] = facts.pop("type")
        facts.setdefault("stacking", "any" if facts.get("rule_type") == "boolean" else "sum")
        if facts.get("amount") == "unlimited":
            facts["amount"] = None
        try:
            rule: Rule = TypeAdapter(Rule).validate_python(facts)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            self._fail(f"a rule's {'.'.join(map(str, first['loc']))}: {first['msg']}")
        return rule

    def _instant(self, given: Any, before: datetime) -> datetime:
        if isinstance(given, str) and (match := _AFTER.fullmatch(given)) and given != "+":
            days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
            return before + timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        return self._aware(given)

    def _aware(self, given: Any) -> datetime:
        at = given
        if isinstance(given, str):
            try:
                at = datetime.fromisoformat(given)
            except ValueError:
                self._fail(f"{given} is no instant: as 2026-03-02T12:00:00Z, or +1d2h30m after the step before")
        if not isinstance(at, datetime) or at.tzinfo is None:
            self._fail(f"{given} is no instant with a time zone: as 2026-03-02T12:00:00Z")
        return at.astimezone(UTC)

    def _check(self, given: Any, allowed: set[str] | frozenset[str]) -> None:
        if not isinstance(given, dict):
            self._fail(f"fields with values stand here: {', '.join(sorted(allowed))}")
        for name in given:
            if name not in allowed:
                near = get_close_matches(str(name), allowed, 1)
                self._fail(
                    f"{name} is not known here" + (f": did you mean {near[0]}?" if near else f": {sorted(allowed)}")
                )

    def _fail(self, what: str) -> NoReturn:
        raise ScenarioIsInvalid(f"{self._path}: {self._place}: {what}.")
