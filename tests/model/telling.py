"""A history, told to the domain as commands and to people as a scenario file. A step is a plain dict in the words of scenario files."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

import yaml

from entitlements.domain import commands, plan_commands, usage_commands
from entitlements.domain.commands import Command, OpenPool
from entitlements.domain.values import Rule

Plain = dict[str, Any]
POOL = "acme"
#: Names of scenario files that are shorter than those of commands.
LONG = {
    "key": "resource_key", "type": "rule_type", "provision": "provision_id", "grant": "grant_id", "set": "set_id",
    "override": "override_id", "reservation": "reservation_id", "usage": "usage_id", "workspace": "workspace_id",
    "subject": "subject_id",
}  # fmt: skip


@dataclass
class History:
    """Sets, the pool they are sold to, and what is asked of it when. It is told again by its seed."""

    seed: int
    zone: str = "UTC"
    anchor_at: datetime | None = None
    begins_at: datetime = datetime(2027, 3, 1, tzinfo=UTC)
    sets: dict[str, Plain] = field(default_factory=dict)
    defaults: list[Plain] = field(default_factory=list)
    steps: list[Plain] = field(default_factory=list)


def opening(history: History) -> OpenPool:
    return OpenPool(
        command_id="open", actor="admin", pool_id=POOL, organization_id="acme", billing_account_id="acme-billing",
        time_zone=history.zone, anchor_at=history.anchor_at, defaults=[rule_of(rule) for rule in history.defaults],
    )  # fmt: skip


def rule_of(rule: Plain) -> Rule:
    return Rule(**{"stacking": "sum"} | {LONG.get(name, name): value for name, value in rule.items()})


def command_of(step: Plain, sets: dict[str, Plain], number: int) -> Command:
    """The command of a step."""
    kind = kind_of(step)
    facts = {LONG.get(name, name): value for name, value in step.items() if name not in {"at", "do", "usage"}}
    if "usage" in step:
        facts["usage_id"] = step["usage"]
    if "set" in step:
        facts |= _of_set(sets[step["set"]], step)
    elif "rules" in step:
        facts["rules"] = [rule_of(rule) for rule in step["rules"]]
    if "lines" in step:
        facts["lines"] = [_line(line) for line in step["lines"]]
    facts |= {"command_id": f"step-{number}", "actor": "admin", "pool_id": POOL}
    names = {each.name for each in fields(kind)}
    facts.setdefault("reason", "a reason")
    if "source" in names:
        facts.setdefault("source", "subscription")
    return kind(**{name: value for name, value in facts.items() if name in names})


def kind_of(step: Plain) -> type[Command]:
    """The class of the command of a step."""
    modules = (commands, plan_commands, usage_commands)
    kind: type[Command] = next(getattr(module, step["do"]) for module in modules if hasattr(module, step["do"]))
    return kind


def _of_set(of: Plain, step: Plain) -> Plain:
    return {
        "set_version": step.get("set_version", 1), "rules": [rule_of(rule) for rule in of["rules"]],
        "ladder": of.get("ladder"), "rung": of.get("rung"),
    }  # fmt: skip


def _line(line: Plain) -> Plain:
    occurred = line.get("occurred_at")
    return {
        "resource_key": line["key"], "quantity": line["quantity"], "mode": line["mode"], "workspace_id": line["workspace"],
        "subject_id": line["subject"], "usage_id": line.get("usage", ""),
        "occurred_at": 0 if occurred is None else ms(occurred),
    }  # fmt: skip


def ms(at: datetime) -> int:
    """Epoch milliseconds."""
    return round(at.timestamp() * 1000)


def scenario(history: History, about: str, expected: Plain | None = None) -> str:
    """The history as a scenario file; `expected`: what the model says after the last step."""
    steps = []
    for at, step in enumerate(history.steps):
        told: Plain = {"at": step["at"], "do": {step["do"]: _words(step, history.sets)}}
        if at == len(history.steps) - 1 and expected:
            told["expect"] = expected
        steps.append(told)
    used = {step["set"] for step in history.steps if "set" in step and step["do"] != "ReviseProvision"}
    opened = {"time_zone": history.zone, "anchor_at": history.anchor_at, "defaults": history.defaults}
    document: Plain = {"name": f"Double entry, seed {history.seed}", "about": about, "begins_at": history.begins_at}
    document["pools"] = {POOL: {name: value for name, value in opened.items() if value not in (None, [], "UTC")}}
    document["sets"] = {name: of for name, of in history.sets.items() if name in used}
    document["timeline"] = steps
    return yaml.dump(_instants(document), sort_keys=False, width=160, default_flow_style=None, Dumper=_Dumper)


def _words(step: Plain, sets: dict[str, Plain]) -> Plain:
    """The fields of a step; a revision states the rules of the set that it names here."""
    words = {name: value for name, value in step.items() if name not in {"at", "do"} and value not in (None, "")}
    if any(each.name == "reason" and each.default is MISSING for each in fields(kind_of(step))):
        words["reason"] = "a reason"
    if "lines" in words:
        words["lines"] = [{n: v for n, v in line.items() if v not in (None, "")} for line in words["lines"]]
    if step["do"] == "ReviseProvision":
        words["rules"] = sets[words.pop("set")]["rules"]
    return words


def _instants(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _instants(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_instants(part) for part in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").replace(".000Z", "Z")
    return value


class _Dumper(yaml.SafeDumper):
    """Without anchors: a scenario says everything where it stands."""

    def ignore_aliases(self, data: Any) -> bool:
        return True
