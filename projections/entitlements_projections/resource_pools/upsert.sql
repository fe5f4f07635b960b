-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into resource_pools as t (
    pool_id, organization_id, billing_account_id, name, status, status_reason, status_actor, opened_at,
    status_at, backfill_from, backfilling, time_zone, anchor_at, clock, version
)
select
    pool_id, organization_id, billing_account_id, name, status, status_reason, status_actor, opened_at,
    status_at, backfill_from, backfilling, time_zone, anchor_at, clock, version
from staged_resource_pools
order by pool_id
on conflict (pool_id) do update set
    organization_id = excluded.organization_id,
    billing_account_id = excluded.billing_account_id,
    name = excluded.name,
    status = excluded.status,
    status_reason = excluded.status_reason,
    status_actor = excluded.status_actor,
    opened_at = excluded.opened_at,
    status_at = excluded.status_at,
    backfill_from = excluded.backfill_from,
    backfilling = excluded.backfilling,
    time_zone = excluded.time_zone,
    anchor_at = excluded.anchor_at,
    clock = excluded.clock,
    version = excluded.version
where t.version < excluded.version;
