"""The policies of one organization, compiled once: bad ones are refused here, so that deciding by them cannot fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from entitlements_client.deciding.conditions import Compiler, Condition
from entitlements_client.deciding.fields import FieldTable, Reader
from entitlements_client.deciding.globs import GLOB_CHARACTERS_MAX, is_pattern, matcher
from entitlements_client.deciding.operators import Judge
from entitlements_client.deciding.refusals import PolicyIsInvalid, require_list, require_object, require_text, shown
from entitlements_client.deciding.temporal import Applies, NextChange, compile_temporal

#: Bounds of the policies of one organization, and of one policy.
POLICIES_MAX: Final = 1_000
RESOURCE_KEYS_MAX: Final = 1_000
ACTIONS_MAX: Final = 100
METERED_KEYS_MAX: Final = 100_000
ID_CHARACTERS_MAX: Final = 128
REASON_CHARACTERS_MAX: Final = 1_024
PRIORITY_MAX: Final = 1_000_000
#: What one policy may cost a decision at worst, in tenths of a microsecond: 100 comparisons of any kind, unless they seek long patterns
#: with `?` between two stars.
COST_MAX: Final = 12_000
#: The same for whether it applies now, and for each pattern of keys.
_COST_OF_HOURS: Final = 20
_COST_OF_KEY: Final = 10
#: How many keys that were asked for are remembered with the policies about them.
_PROGRAMS_MAX: Final = 10_000

_NAMES: Final = (
    "policy_id", "name", "effect", "priority", "resource_keys", "actions", "conditions", "temporal", "reason", "enabled",
)  # fmt: skip


@dataclass(slots=True, eq=False)
class Policy:
    """One policy. conditions: all must hold. resource_keys and actions: none means all."""

    policy_id: str
    name: str
    effect: Literal["ALLOW", "DENY"]
    #: Higher wins.
    priority: int
    resource_keys: tuple[str, ...]
    actions: frozenset[str]
    conditions: tuple[Condition, ...]
    applies: Applies | None
    changes: NextChange | None
    reason: str
    enabled: bool
    document: Mapping[str, Any]
    #: The conditions that are single comparisons: the place of the field and how it is judged.
    comparisons: tuple[tuple[int, Judge], ...]
    #: The others.
    trees: tuple[Condition, ...]
    #: What it costs a decision at worst, in tenths of a microsecond.
    cost: int

    @property
    def order(self) -> tuple[int, bool, str]:
        """Who wins comes first: the higher priority; of two with the same DENY."""
        return -self.priority, self.effect == "ALLOW", self.policy_id

    def names(self, resource_key: str) -> bool:
        """Whether it is about a key."""
        return not self.resource_keys or any(matcher(glob)(resource_key) for glob in self.resource_keys)

    def named(self) -> dict[str, Any]:
        """How a decision names it."""
        return {"policy_id": self.policy_id, "effect": self.effect, "priority": self.priority}


@dataclass(slots=True, eq=False)
class Program:
    """The policies about one key, who wins first, and the fields that they read: the place of each and its reader."""

    policies: tuple[Policy, ...]
    reads: tuple[tuple[int, Reader], ...]
    asks_role: bool
    asks_subscription: bool
    #: What they cost a decision at worst, in tenths of a microsecond.
    cost: int

    def changes_at(self, now_s: float) -> float:
        """The first instant after this one at which one of the policies may begin or cease to apply. Seconds since 1970."""
        found = (policy.changes.after(now_s) for policy in self.policies if policy.changes is not None)
        return min(found, default=float("inf"))


class PolicySet:
    """The policies of one organization in one version. Nobody changes one: what is newer is another set."""

    __slots__ = (
        "_exact",
        "_patterns",
        "_programs",
        "cost",
        "fields",
        "keys",
        "metered_keys",
        "organization_id",
        "policies",
        "version",
    )

    def __init__(
        self,
        organization_id: str,
        version: int,
        policies: Sequence[Policy],
        fields: FieldTable,
        metered_keys: Sequence[str],
        keys: Mapping[str, str] | None = None,
    ) -> None:
        self.organization_id, self.version = organization_id, version
        self.policies = tuple(sorted(policies, key=lambda policy: policy.order))
        self.fields = fields
        #: Keys that are numbers, whoever has them: no policy grants one. (Of the keys that a customer has, its view tells.)
        self.metered_keys = frozenset(metered_keys)
        #: The type of every key that is defined, whoever has it: "boolean" or "integer". (A customer may have others.)
        self.keys = keys or {}
        self._programs: dict[str, Program | None] = {}
        self._exact: dict[str, list[Policy]] = {}
        self._patterns: dict[str, tuple[Callable[[str], bool], list[Policy]]] = {}
        #: What a decision costs at worst about a key of which nothing is known yet, in tenths of a microsecond.
        self.cost = sum(policy.cost for policy in self.policies if policy.enabled)
        for policy in self.policies:
            if policy.enabled:
                self._index(policy)

    @classmethod
    def compile(cls, document: Any) -> Self:
        """The policies of a document {"organization_id", "version", "policies": [..], "metered_keys": [..], "keys": {..}}.

        Raises PolicyIsInvalid, which says what is wrong and where, for the first that is invalid.
        """
        found = require_object(document, ("organization_id", "version", "policies", "metered_keys", "keys"), "document")
        version = found.get("version", 0)
        if type(version) is not int or version < 0:
            raise PolicyIsInvalid("invalid_value", "version", f"must be a number of 0 or more, not {shown(version)}")
        fields, policies = FieldTable(), dict[str, Policy]()
        listed = require_list(_or(found.get("policies"), []), "policies", POLICIES_MAX, "too_many_policies")
        for place, one in enumerate(listed):
            policy = _compiled(one, f"policies[{place}]", fields)
            if policy.policy_id in policies:
                raise PolicyIsInvalid(
                    "duplicate_policy", f"policies[{place}].policy_id", f"duplicate policy {policy.policy_id}"
                )
            policies[policy.policy_id] = policy
        metered = require_list(_or(found.get("metered_keys"), []), "metered_keys", METERED_KEYS_MAX)
        keys = _or(found.get("keys"), {})
        keys = require_object(keys, keys, "keys")
        return cls(_or(found.get("organization_id"), ""), version, list(policies.values()), fields, metered, keys)

    def _index(self, policy: Policy) -> None:
        for key in policy.resource_keys or ("*",):
            if is_pattern(key):
                known = self._patterns.get(key)
                if known is None:
                    known = self._patterns[key] = (matcher(key), [])
                known[1].append(policy)
            else:
                self._exact.setdefault(key, []).append(policy)

    def program(self, resource_key: str) -> Program | None:
        """What is to be asked about a key; None: no policy is about it."""
        try:
            return self._programs[resource_key]
        except KeyError:
            pass
        if len(self._programs) >= _PROGRAMS_MAX:
            self._programs = {}
        program = self._programs[resource_key] = self._made(resource_key)
        return program

    def cost_about(self, resource_key: str) -> int:
        """What a decision about a key costs at worst, in tenths of a microsecond."""
        try:
            program = self._programs[resource_key]
        except KeyError:
            return self.cost
        return 0 if program is None else program.cost

    def _made(self, resource_key: str) -> Program | None:
        about = {id(policy): policy for policy in self._exact.get(resource_key, ())}
        for matches, policies in self._patterns.values():
            if matches(resource_key):
                about |= {id(policy): policy for policy in policies}
        if not about:
            return None
        ordered = tuple(sorted(about.values(), key=lambda policy: policy.order))
        places = sorted({place for policy in ordered for one in policy.conditions for place in one.places})
        return Program(
            ordered,
            tuple((place, self.fields.readers[place]) for place in places),
            any(self.fields.field(place) == "subject.role" for place in places),
            any(self.fields.field(place).startswith("subscription.") for place in places),
            sum(policy.cost for policy in ordered),
        )


#: No policies at all.
NO_POLICIES: Final = PolicySet("", 0, (), FieldTable(), ())


def check_policy(document: Any, path: str = "policy") -> Policy:
    """One policy by itself. Raises PolicyIsInvalid for an invalid one."""
    return _compiled(document, path, FieldTable())


def _compiled(document: Any, path: str, fields: FieldTable) -> Policy:
    found = require_object(document, _NAMES, path)
    effect, priority, enabled = found.get("effect"), found.get("priority", 0), found.get("enabled", True)
    if effect != "ALLOW" and effect != "DENY":  # noqa: PLR1714 - mypy follows this one.
        raise PolicyIsInvalid("invalid_effect", f"{path}.effect", f"effect must be ALLOW or DENY, not {shown(effect)}")
    if type(priority) is not int or not -PRIORITY_MAX <= priority <= PRIORITY_MAX:
        raise PolicyIsInvalid(
            "invalid_priority",
            f"{path}.priority",
            f"a priority is an integer up to {PRIORITY_MAX:,}, not {shown(priority)}",
        )
    if type(enabled) is not bool:
        raise PolicyIsInvalid("invalid_value", f"{path}.enabled", f"must be true or false, not {shown(enabled)}")
    policy_id = require_text(found.get("policy_id"), f"{path}.policy_id", ID_CHARACTERS_MAX)
    compiler = Compiler(fields)
    conditions = compiler.conditions(_or(found.get("conditions"), []), f"{path}.conditions")
    temporal = found.get("temporal")
    applies = None if temporal is None else compile_temporal(temporal, f"{path}.temporal")
    resource_keys = _texts(found, "resource_keys", path, RESOURCE_KEYS_MAX, GLOB_CHARACTERS_MAX)
    cost = (
        compiler.cost + (0 if applies is None else _COST_OF_HOURS) + _COST_OF_KEY * sum(map(is_pattern, resource_keys))
    )
    if cost > COST_MAX:
        raise PolicyIsInvalid(
            "too_expensive",
            path,
            f"evaluating the policy can take {cost / 10_000:.1f} ms; the maximum is {COST_MAX / 10_000:.1f} ms",
        )
    return Policy(
        policy_id=policy_id,
        name=require_text(_or(found.get("name"), policy_id), f"{path}.name", ID_CHARACTERS_MAX),
        effect=effect,
        priority=priority,
        resource_keys=resource_keys,
        actions=frozenset(_texts(found, "actions", path, ACTIONS_MAX, ID_CHARACTERS_MAX)),
        conditions=conditions,
        applies=applies,
        changes=None if applies is None else NextChange(temporal, applies),
        reason=require_text(_or(found.get("reason"), ""), f"{path}.reason", REASON_CHARACTERS_MAX, may_be_empty=True),
        enabled=enabled,
        document=found,
        comparisons=tuple((one.place, one.judge) for one in conditions if one.judge is not None),
        trees=tuple(one for one in conditions if one.judge is None),
        cost=cost,
    )


def _or(value: Any, otherwise: Any) -> Any:
    """What a policy says, or what holds where it says nothing or null."""
    return otherwise if value is None else value


def _texts(found: Mapping[str, Any], name: str, path: str, length_max: int, characters_max: int) -> tuple[str, ...]:
    listed = require_list(_or(found.get(name), []), f"{path}.{name}", length_max)
    return tuple(require_text(text, f"{path}.{name}[{place}]", characters_max) for place, text in enumerate(listed))
