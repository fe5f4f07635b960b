-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into pool_provisions as t (
    pool_id, organization_id, provision_id, source, source_id, billing_account_id, set_id, set_version, quantity, status,
    starts_at, ends_at, planned_ends_at, resource_keys, lowering_keys, priority, follows, billing_period, scheduled_at, started_at, ended_at, end_reason, status_reason, actor, version
)
select
    pool_id, (select p.organization_id from resource_pools p where p.pool_id = s.pool_id), provision_id, source, source_id, billing_account_id, set_id, set_version, quantity, status,
    starts_at, ends_at, planned_ends_at, resource_keys, lowering_keys, priority, follows, billing_period, scheduled_at, started_at, ended_at, end_reason, status_reason, actor, version
from staged_pool_provisions s
order by pool_id, provision_id
on conflict (pool_id, provision_id) do update set
    source = excluded.source,
    source_id = excluded.source_id,
    billing_account_id = excluded.billing_account_id,
    set_id = excluded.set_id,
    set_version = excluded.set_version,
    quantity = excluded.quantity,
    status = excluded.status,
    starts_at = excluded.starts_at,
    ends_at = excluded.ends_at,
    planned_ends_at = excluded.planned_ends_at,
    resource_keys = excluded.resource_keys,
    lowering_keys = excluded.lowering_keys,
    priority = excluded.priority,
    follows = excluded.follows,
    billing_period = excluded.billing_period,
    scheduled_at = excluded.scheduled_at,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    end_reason = excluded.end_reason,
    status_reason = excluded.status_reason,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
