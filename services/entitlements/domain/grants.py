"""Decisions about grants: what an administrator gives away, why, and until when."""

from __future__ import annotations

from datetime import datetime

from entitlements.domain.commands import IssueGrant, ProvisionPool, RevokeGrant
from entitlements.domain.errors import (
    GrantAlreadyExists,
    GrantIsOver,
    InvalidCommand,
    PoolIsClosed,
    ProvisionAlreadyExists,
    UnknownGrant,
)
from entitlements.domain.pool_events import GrantIssued, GrantRevoked, ProvisionEnded
from entitlements.domain.pools import ResourcePool
from entitlements.domain.provisions import check_new, is_same, schedule
from entitlements.domain.restack import restack


def issue_grant(pool: ResourcePool, command: IssueGrant, now: datetime) -> None:
    """Give a pool a set of rules that nobody pays for: a provision whose source is the grant."""
    if pool.is_closed:
        raise PoolIsClosed
    if not command.reason.strip() or not command.actor.strip():
        raise InvalidCommand("a grant needs a reason and an actor")
    if command.grant_id in pool.grants:
        _check_same(pool, command)
        return
    if command.grant_id in pool.provisions:
        raise ProvisionAlreadyExists(command.grant_id)
    provision = _provision_of(command)
    check_new(pool, provision, now)
    pool.happen(
        GrantIssued,
        now,
        grant_id=command.grant_id,
        reason=command.reason,
        actor=command.actor,
        starts_at=command.starts_at or now,
        ends_at=command.ends_at,
    )
    schedule(pool, provision, now)


def _provision_of(command: IssueGrant) -> ProvisionPool:
    return ProvisionPool(
        command_id=command.command_id,
        actor=command.actor,
        pool_id=command.pool_id,
        provision_id=command.grant_id,
        source="grant",
        source_id=command.grant_id,
        set_id=command.set_id,
        set_version=command.set_version,
        quantity=command.quantity,
        rules=command.rules,
        starts_at=command.starts_at,
        ends_at=command.ends_at,
        priority=command.priority,
        follows=command.follows,
    )


def _check_same(pool: ResourcePool, command: IssueGrant) -> None:
    grant, provision = pool.grants[command.grant_id], pool.provisions[command.grant_id]
    if grant.is_over or provision.is_over:
        raise GrantIsOver(command.grant_id)
    same_words = (command.reason, command.actor) == (grant.reason, grant.actor)
    if not same_words or not is_same(pool, provision, _provision_of(command)):
        raise GrantAlreadyExists(command.grant_id)


def revoke_grant(pool: ResourcePool, command: RevokeGrant, now: datetime) -> None:
    """Take a grant back before it expires; one that is over already is left as it is."""
    grant = pool.grants.get(command.grant_id)
    if grant is None:
        raise UnknownGrant(command.grant_id)
    if grant.is_over:
        return
    pool.happen(GrantRevoked, now, grant_id=command.grant_id, reason=command.reason, actor=command.actor)
    if not pool.provisions[command.grant_id].is_over:
        pool.happen(
            ProvisionEnded,
            now,
            provision_id=command.grant_id,
            reason="revoked",
            note=command.reason,
            actor=command.actor,
        )
    restack(pool, now)
