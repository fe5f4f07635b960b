-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into pool_overrides as t (
    pool_id, override_id, resource_key, workspace_id, status, allowed, amount, soft_limit, hard_limit, reason,
    actor, set_at, expires_at, over_at, over_reason, over_actor, version
)
select
    pool_id, override_id, resource_key, workspace_id, status, allowed, amount, soft_limit, hard_limit, reason,
    actor, set_at, expires_at, over_at, over_reason, over_actor, version
from staged_pool_overrides
order by pool_id, override_id
on conflict (pool_id, override_id) do update set
    resource_key = excluded.resource_key,
    workspace_id = excluded.workspace_id,
    status = excluded.status,
    allowed = excluded.allowed,
    amount = excluded.amount,
    soft_limit = excluded.soft_limit,
    hard_limit = excluded.hard_limit,
    reason = excluded.reason,
    actor = excluded.actor,
    set_at = excluded.set_at,
    expires_at = excluded.expires_at,
    over_at = excluded.over_at,
    over_reason = excluded.over_reason,
    over_actor = excluded.over_actor,
    version = excluded.version
where t.version < excluded.version;
