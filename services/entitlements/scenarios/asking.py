"""Commands as files write them: a pydantic model of each, made from its class, and the way to the command itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timedelta
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, ClassVar, Final, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import create_model

from entitlements.domain.commands import Command, DefineEntitlementSet, EndProvision
from entitlements.domain.ladders import check_place
from entitlements.domain.values import ParentSet, Rule, RuleType, UsageLine
from entitlements.intake.instants import occurred_ms
from entitlements.scenarios.words import UNLIMITED, Amount, CannotBeMeant, Instant, OrShort, Words, at_instant

#: What a file may leave out although the command needs it.
_LEFT_OUT: Final[dict[str, Any]] = {
    "actor": "admin",
    "pool_id": "",
    "organization_id": "acme",
    "name": "",
    "data_type": "integer",
    "source": "subscription",
    "then_source": "subscription",
    "stacking": None,
    "version": 0,
    "when": None,
}
#: Of a line of usage, which is a typed dict and has no defaults of its own.
_OF_LINE: Final[dict[str, Any]] = {
    "quantity": 1,
    "mode": "strict",
    "occurred_at": None,
    "workspace_id": "",
    "usage_id": "",
    "subject_id": "",
}  # fmt: skip
#: Of the envelope: the name of a command, which is that of its step, and who waits for its answer.
_NOT_WRITTEN: Final = ("command_id", "caller", "ladder_rungs")
#: What a set that is named stands for, in commands that carry the version that they confer.
_OF_SET: Final = ("set_version", "ladder", "rung", "rules")
_RULES: Final = ("rules", "then_rules", "defaults")
#: A version of a set, by its id and number; without a number the newest.
FindSet = Callable[[str, "int | None"], Mapping[str, Any]]


@cache
def model_of(kind: type) -> type[Words]:
    """How a command, or a value in one, is written in a file."""
    made: dict[str, Any] = {
        name: (_written(name, hint), _default(kind, name))
        for name, hint in _hints(kind).items()
        if name not in _NOT_WRITTEN
    }
    for prefix in _prefixes(kind):
        made |= {f"{prefix}{name}": (made[f"{prefix}{name}"][0], None) for name in _OF_SET if f"{prefix}{name}" in made}
        made.setdefault(f"{prefix}set_id", (str, ""))  # It may name the set even where the command itself does not.
    if kind is DefineEntitlementSet:
        made |= _extending()
        del made["own_rules"]
    model = create_model(kind.__name__, __base__=Words, __doc__=kind.__doc__, **made)
    model.kind = kind
    return model


def _extending() -> dict[str, Any]:
    """A set that extends others names them, and states of its rules what it changes."""
    whole, parent = model_of(Rule), model_of(ParentSet)
    rule = create_model("RuleOfSet", __base__=whole, __doc__=whole.__doc__, rule_type=(RuleType | None, None))
    rule.kind = Rule
    named = Annotated[
        parent,  # type: ignore[valid-type]
        OrShort(lambda given: {"set_id": given} if isinstance(given, str) else given, lambda _: {"type": "string"}),
    ]
    return {"rules": (list[rule], []), "extends": (list[named], [])}  # type: ignore[valid-type]


@cache
def _hints(kind: type) -> dict[str, Any]:
    return {name: hint for name, hint in get_type_hints(kind).items() if get_origin(hint) is not ClassVar}


def _prefixes(kind: type) -> list[str]:
    """Of the sets that a command confers: none, one, or with another that follows."""
    return [name.removesuffix("set_version") for name in _hints(kind) if name.endswith("set_version")]


def _default(kind: type, name: str) -> Any:
    if not is_dataclass(kind):
        return _OF_LINE.get(name, ...)
    field = next(field for field in fields(kind) if field.name == name)
    if field.default is not MISSING and name != "actor":
        return field.default
    if field.default_factory is not MISSING:
        return field.default_factory()
    return _LEFT_OUT.get(name, ...)


def _written(name: str, hint: Any) -> Any:
    if name == "amount":
        return Amount
    if name == "occurred_at":
        return Instant | None
    if hint is datetime:
        return Instant
    if get_origin(hint) is list:
        return list[_written("", get_args(hint)[0])]  # type: ignore[misc]
    if get_origin(hint) in {Union, UnionType}:
        inner = [_written("", part) for part in get_args(hint) if part is not NoneType]
        return Union[(*inner, None)]
    return model_of(hint) if is_dataclass(hint) or is_typeddict(hint) else hint


def command_of(written: Words, at: datetime, find_set: FindSet, **given: Any) -> Command:
    """The command, at the instant of its step; `given`: what it has where the file says nothing.

    Raises CannotBeMeant for a set that is not there or not named, and for a rule that does not say how much; LadderMismatch.
    """
    kind = written.kind
    _check_rules(written)
    facts = _facts(written, at)
    if kind is EndProvision and facts["when"] is None:
        facts["when"] = "now" if facts["ends_at"] is None else "at"
    for prefix in _prefixes(kind):
        set_id, version = facts[f"{prefix}set_id"], facts[f"{prefix}set_version"]
        if facts[f"{prefix}rules"] is not None:
            facts[f"{prefix}set_version"] = 1 if version is None else version
            continue
        if not set_id:
            raise CannotBeMeant(f"{kind.__name__} needs {prefix}set, or {prefix}set_version and {prefix}rules")
        found = find_set(set_id, version)
        if f"{prefix}rung" in facts:
            check_place({"ladder": facts["ladder"], "rung": facts[f"{prefix}rung"]}, found, set_id)
        for name, value in found.items():
            if facts.get(f"{prefix}{name}", ...) is None:
                facts[f"{prefix}{name}"] = value
    facts |= {name: value for name, value in given.items() if not facts.get(name)}
    command: Command = kind(**{name: value for name, value in facts.items() if name in _hints(kind)})
    return command


def _check_rules(written: Words) -> None:
    """What is unlimited is said to be: nobody means it by leaving an amount out. What is inherited needs not be said."""
    if getattr(written, "extends", None):
        return
    for name in _RULES:
        for rule in getattr(written, name, None) or []:
            if rule.rule_type is None:
                raise CannotBeMeant(f"{rule.resource_key} needs a type: boolean, limit, quota or credit")
            if rule.rule_type != "boolean" and "amount" not in rule.model_fields_set:
                raise CannotBeMeant(f"{rule.resource_key} needs an amount: an integer, or {UNLIMITED}")


def value_of(written: Any, at: datetime) -> Any:
    """A value in a command, at the instant of its step."""
    if isinstance(written, Words):
        facts = {name: value for name, value in _facts(written, at).items() if name in _hints(written.kind)}
        if written.kind is UsageLine:
            facts["occurred_at"] = occurred_ms(facts["occurred_at"])
        elif written.kind is Rule:
            facts["rule_type"] = facts["rule_type"] or "boolean"  # Not stated, so without meaning.
            facts["stacking"] = facts["stacking"] or ("any" if facts["rule_type"] == "boolean" else "sum")
        return written.kind(**facts)
    if isinstance(written, list):
        return [value_of(part, at) for part in written]
    return at_instant(written, at) if isinstance(written, datetime | timedelta) else written


def _facts(written: Words, at: datetime) -> dict[str, Any]:
    return {name: value_of(getattr(written, name), at) for name in type(written).model_fields}
