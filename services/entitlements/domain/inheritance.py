"""Sets that extend sets: how what is inherited and what a set says itself become its rules. Pure.

Whoever defines a set resolves it and sends the rules; the definition keeps what the set says itself and the versions of its
parents, so that the same can be worked out again at any time. Parents fold in the order listed: of two that have the same key the
later wins, and the set itself comes last. An ancestor reached twice counts once, in the newest version that is reached: what a parent
merely hands on from it gives way to what another parent has made of it.

merge      a rule states only what it changes
replace    a rule stands for the whole rule of its key
additive   amounts, soft and hard limits add up, of the parents and of the set; everything else must agree
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final, TypeAlias

from entitlements.domain.errors import (
    InheritanceCycle,
    InheritanceIsTooDeep,
    InvalidCommand,
    InvalidRules,
    ParentsDisagree,
    UnknownParent,
)
from entitlements.domain.lineage import ANCESTORS_MAX, lineage
from entitlements.domain.rules import RULES_MAX, check_rules
from entitlements.domain.values import QUANTITY_MAX, Inheritance, OwnRule, ParentSet, Rule, is_id

RULE_FIELDS: Final = frozenset(field.name for field in fields(Rule)) - {"resource_key"}
#: What adds up; all else must agree.
_AMOUNTS: Final = ("amount", "soft_limit", "hard_limit")


@dataclass(frozen=True, kw_only=True)
class SetVersion:
    """One version of a set as it was defined."""

    set_id: str
    version: int
    extends: Sequence[ParentSet] = ()
    inheritance: Inheritance = "merge"
    own_rules: Sequence[OwnRule]


#: Versions of sets by id and version.
Catalogue: TypeAlias = Mapping[tuple[str, int], SetVersion]


@dataclass(frozen=True, kw_only=True)
class Resolution:
    """What a set comes to."""

    rules: list[Rule]
    #: What it says itself, whole: by merge what it does not state is as it came out.
    own_rules: list[OwnRule]
    #: The sets that have made the rule of each key, ancestors first.
    sources: dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class _Strand:
    """What a set has of one key."""

    #: What adds up, by the set that says it.
    terms: dict[str, Rule]
    #: Sets whose say has been taken account of and is no term any more.
    absorbed: frozenset[str]
    sources: tuple[str, ...]


def whole(rules: Iterable[Rule]) -> list[OwnRule]:
    """Rules of which everything is stated, as a set without parents has them."""
    return [OwnRule(rule=rule, stated=sorted(RULE_FIELDS)) for rule in rules]


def newest(set_id: str, catalogue: Catalogue) -> int:
    """The newest version of a set. Raises UnknownParent."""
    versions = [version for name, version in catalogue if name == set_id]
    if not versions:
        raise UnknownParent(set_id)
    return max(versions)


def resolve(child: SetVersion, catalogue: Catalogue) -> Resolution:
    """The rules of a set, by what it says itself and the versions of sets that it descends from.

    Raises UnknownParent, InheritanceCycle, InheritanceIsTooDeep, ParentsDisagree, InvalidRules.
    """
    family = _family(child, catalogue)
    strands: dict[str, dict[str, _Strand]] = {}
    for name in lineage(child.set_id, lambda name: [parent.set_id for parent in family[name].extends]):
        strands[name] = _folded(family[name], strands)
    own = strands[child.set_id]
    rules = {key: _total(key, strand.terms) for key, strand in own.items()}
    check_rules(list(rules.values()))
    return Resolution(
        rules=list(rules.values()),
        own_rules=[_as_it_came_out(child, stated, own, rules) for stated in child.own_rules] if child.extends else [],
        sources={key: strand.sources for key, strand in own.items()},
    )


def check_ancestors(child: SetVersion, catalogue: Catalogue) -> None:
    """Whether the sets that a set descends from are there, and it is none of them.

    Raises UnknownParent, InheritanceCycle, InheritanceIsTooDeep.
    """
    family = _family(child, catalogue)
    lineage(child.set_id, lambda name: [parent.set_id for parent in family[name].extends])


def _family(child: SetVersion, catalogue: Catalogue) -> dict[str, SetVersion]:
    """The set and all it descends from, each in the newest version that anyone of them asks for."""
    family, left, seen = {child.set_id: child}, list(child.extends), set[ParentSet]()
    while left:
        asked = left.pop()
        if asked.set_id == child.set_id or asked in seen:
            continue
        seen.add(asked)
        found = catalogue.get((asked.set_id, asked.version))
        if found is None:
            raise UnknownParent(f"{asked.set_id} version {asked.version}")
        if len(seen) > ANCESTORS_MAX * 10:  # Ever so many versions of a hundred sets.
            raise InheritanceIsTooDeep(child.set_id)
        if asked.set_id not in family or family[asked.set_id].version < found.version:
            family[asked.set_id] = found
        left += found.extends
    return family


def _folded(this: SetVersion, strands: Mapping[str, dict[str, _Strand]]) -> dict[str, _Strand]:
    """What a set has of each key, in the order in which its parents and then it itself name them."""
    own = {stated.rule.resource_key: stated for stated in this.own_rules}
    inherited: dict[str, list[_Strand]] = {}
    for parent in this.extends:
        for key, strand in strands[parent.set_id].items():
            inherited.setdefault(key, []).append(strand)
    fold = _added if this.inheritance == "additive" else _won
    return {key: fold(this, own.get(key), inherited.get(key, [])) for key in dict.fromkeys([*inherited, *own])}


def _fresh(strands: list[_Strand]) -> tuple[list[_Strand], frozenset[str]]:
    """The strands that hold what no other has taken account of, and whatever any has."""
    # Two that hold each other's say: neither is the ancestor, and what one has absorbed of the other still counts.
    mutual = {
        name
        for one in strands
        for other in strands
        if one.terms.keys() & other.absorbed and other.terms.keys() & one.absorbed
        for name in (one.terms.keys() & other.absorbed) | (other.terms.keys() & one.absorbed)
    }
    absorbed = frozenset[str]().union(*(strand.absorbed for strand in strands)) - mutual
    fresh = [strand for strand in strands if strand.terms.keys() - absorbed]
    # What was added to stands for what it was added to, which others have as it is.
    return [one for one in fresh if not any(one.terms.keys() < other.terms.keys() for other in fresh)], absorbed


def _added(this: SetVersion, own: OwnRule | None, strands: list[_Strand]) -> _Strand:
    fresh, absorbed = _fresh(strands)
    terms = {name: rule for strand in fresh for name, rule in strand.terms.items() if name not in absorbed}
    sources = [source for strand in fresh for source in strand.sources]
    if own is not None:
        like = next(iter(terms.values()), None)
        if like is None:
            terms[this.set_id] = _complete(own)
        else:
            if like.rule_type != "boolean" and "amount" not in own.stated:
                raise InvalidRules(f"{like.resource_key}: an additive rule needs an amount")
            terms[this.set_id] = _changed(replace(like, amount=None, soft_limit=None, hard_limit=None), own)
        sources.append(this.set_id)
    return _Strand(terms, absorbed, tuple(dict.fromkeys(sources)))


def _won(this: SetVersion, own: OwnRule | None, strands: list[_Strand]) -> _Strand:
    fresh, absorbed = _fresh(strands)
    heard = absorbed.union(*(strand.terms for strand in strands))
    winner = fresh[-1] if fresh else None
    if own is None:
        assert winner is not None, "a key is a parent's or the set's own"
        return _Strand(winner.terms, heard - winner.terms.keys(), winner.sources)
    if winner is None or this.inheritance == "replace":
        return _Strand({this.set_id: _complete(own)}, heard, (this.set_id,))
    base = _total(own.rule.resource_key, winner.terms)
    if "rule_type" in own.stated and own.rule.rule_type != base.rule_type:
        raise ParentsDisagree(
            f"{base.resource_key} is a {base.rule_type} of {', '.join(winner.sources)}, and a {own.rule.rule_type} of {this.set_id}"
        )
    return _Strand({this.set_id: _changed(base, own)}, heard, (*winner.sources, this.set_id))


def _changed(rule: Rule, own: OwnRule) -> Rule:
    facts: dict[str, Any] = {name: getattr(own.rule, name) for name in own.stated}
    return replace(rule, **facts)


def _complete(own: OwnRule) -> Rule:
    """A rule that stands by itself. Raises InvalidRules when it leaves out what only a parent could say."""
    is_feature = own.rule.rule_type == "boolean" and "rule_type" in own.stated
    missing = [
        name for name in ("rule_type", "amount") if name not in own.stated and not (is_feature and name == "amount")
    ]
    if missing:
        raise InvalidRules(f"{own.rule.resource_key}: no inherited rule sets {' and '.join(missing)}")
    return own.rule


def _total(key: str, terms: Mapping[str, Rule]) -> Rule:
    """What terms add up to, as contributions that stack by sum do. Raises ParentsDisagree when all else is not the same."""
    first, *others = terms.values()
    for name, rule in terms.items():
        differing = [term for term in RULE_FIELDS.difference(_AMOUNTS) if getattr(rule, term) != getattr(first, term)]
        if differing:
            raise ParentsDisagree(f"{key}: {name} and {next(iter(terms))} have different {min(differing)}")
    if not others:
        return first
    rules = list(terms.values())
    return replace(
        first,
        amount=_sum([rule.amount for rule in rules]),
        soft_limit=_sum_of_limits([(rule.soft_limit, rule.amount) for rule in rules]),
        hard_limit=_sum_of_limits([(rule.hard_limit, rule.amount) for rule in rules]),
    )


def _sum(amounts: Sequence[int | None]) -> int | None:
    numbers = [amount for amount in amounts if amount is not None]
    return sum(numbers) if len(numbers) == len(amounts) else None


def _sum_of_limits(limits: Sequence[tuple[int | None, int | None]]) -> int | None:
    """Where one states a limit, one that states none has it at its amount; where none does, the sum has none."""
    if all(limit is None for limit, _ in limits):
        return None
    return _sum([amount if limit is None else limit for limit, amount in limits])


def _as_it_came_out(
    child: SetVersion, stated: OwnRule, own: Mapping[str, _Strand], rules: Mapping[str, Rule]
) -> OwnRule:
    key = stated.rule.resource_key
    return replace(stated, rule=own[key].terms[child.set_id] if child.inheritance == "additive" else rules[key])


def check_extension(child: SetVersion, rules: Sequence[Rule]) -> None:
    """What can be said of a definition without its parents: the rules that were sent hold what the set says itself.

    Raises InvalidCommand, InheritanceCycle, InheritanceIsTooDeep, InvalidRules.
    """
    if not child.extends:
        if child.own_rules:
            raise InvalidCommand("own_rules is only for a set that extends others")
        return
    names = [parent.set_id for parent in child.extends]
    if child.set_id in names:
        raise InheritanceCycle(f"{child.set_id} -> {child.set_id}")
    if len(names) > ANCESTORS_MAX:
        raise InheritanceIsTooDeep(child.set_id)
    if len(set(names)) < len(names) or not all(is_id(parent.set_id) and parent.version > 0 for parent in child.extends):
        raise InvalidCommand("a set can extend each other set once")
    if len(child.own_rules) > RULES_MAX:
        raise InvalidRules(f"{len(child.own_rules)} rules; the maximum is {RULES_MAX}")
    sent = {rule.resource_key: rule for rule in rules}
    seen: set[str] = set()
    for own in child.own_rules:
        key = own.rule.resource_key
        if key in seen or key not in sent or not RULE_FIELDS.issuperset(own.stated):
            raise InvalidRules(f"{key}: own_rules has a duplicate or invalid entry")
        seen.add(key)
        if not _is_held(own.rule, sent[key], child.inheritance):
            raise InvalidRules(f"{key}: the combined rule differs from the set's own rule")


def _is_held(own: Rule, sent: Rule, inheritance: Inheritance) -> bool:
    """Whether a rule can have come out of what a set says itself: as it is, or with other amounts where those were added to."""
    if inheritance != "additive":
        return own == sent
    amounts = {name: getattr(own, name) for name in _AMOUNTS}
    is_countable = all(amount is None or 0 <= amount <= QUANTITY_MAX for amount in amounts.values())
    return is_countable and replace(sent, **amounts) == own
