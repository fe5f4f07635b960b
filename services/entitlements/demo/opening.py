"""One ladder of three plans, and for every client a workspace with its own pool on the ladder's first plan."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.resources import as_file, files
from typing import Final

from entitlements.domain.commands import AssignWorkspace, Command, OpenPool, ProvisionPool
from entitlements.domain.ids import derived_id
from entitlements.intake.definitions import RuleDefinition, SetDefinition, read_set
from entitlements.ledger.caller import new_id
from entitlements.settings import ID_CHARACTERS_MAX

ACTOR: Final = "demo"
ORGANIZATION: Final = "web-clients"
REQUEST_KEY: Final = "api_calls"
_PLANS: Final = ("free", "pro", "enterprise")
#: Of the daily quota: from here on customers are warned.
_SOFT_PERCENT: Final = 80


def plans(limit: int) -> list[SetDefinition]:
    """The ladder, its first rung with this daily quota of api_calls."""
    first, *others = [_plan(name) for name in _PLANS]
    rules = [_with_limit(rule, limit) if rule.resource_key == REQUEST_KEY else rule for rule in first.rules]
    return [first.model_copy(update={"rules": rules}), *others]


def _plan(name: str) -> SetDefinition:
    with as_file(files(__package__) / "plans" / f"{name}.yaml") as path:
        return read_set(path)


def _with_limit(rule: RuleDefinition, limit: int) -> RuleDefinition:
    return rule.model_copy(update={"amount": limit, "soft_limit": limit * _SOFT_PERCENT // 100 or None})


def definitions(ladder: Iterable[SetDefinition]) -> list[Command]:
    """Define the plans' keys, each once, and the plans."""
    ladder = list(ladder)
    keys = {command.resource_key: command for plan in ladder for command in plan.key_commands(ACTOR)}
    return [*keys.values(), *(plan.set_command(ACTOR) for plan in ladder)]


def pool_of(workspace_id: str) -> str:
    """The id of a workspace's own pool."""
    pool_id = f"pool-{workspace_id}"
    return pool_id if len(pool_id) <= ID_CHARACTERS_MAX else derived_id("pool", workspace_id)


def openings(workspaces: Iterable[str], plan: SetDefinition, begins_at: datetime) -> Iterator[Command]:
    """Open each workspace's pool as of the beginning of history, subscribe it to a plan and assign the workspace.

    Sent twice, each of them changes nothing: a pool, a provision and an assignment that are the same already are no news.
    """
    rules = [rule.rule() for rule in plan.rules]
    for workspace_id in workspaces:
        pool_id = pool_of(workspace_id)
        yield OpenPool(
            command_id=new_id(),
            actor=ACTOR,
            pool_id=pool_id,
            organization_id=ORGANIZATION,
            name=workspace_id,
            backfill_from=begins_at,
        )
        yield ProvisionPool(
            command_id=new_id(),
            actor=ACTOR,
            effective_at=begins_at,
            pool_id=pool_id,
            provision_id="plan",
            source="subscription",
            source_id=f"sub-{workspace_id}"[:ID_CHARACTERS_MAX],
            set_id=plan.set_id,
            set_version=1,
            ladder=plan.ladder,
            rung=plan.rung,
            rules=rules,
        )
        yield AssignWorkspace(
            command_id=new_id(),
            actor=ACTOR,
            effective_at=begins_at,
            pool_id=pool_id,
            workspace_id=workspace_id,
            role="primary",
        )
