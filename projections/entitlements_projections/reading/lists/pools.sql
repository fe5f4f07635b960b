-- pools --
-- Pools, each with what it is called, whose it is and how it stands.
select
    pool_id, organization_id, name, status, status_reason, status_actor, status_at, billing_account_id, time_zone, anchor_at,
    backfilling, opened_at
from resource_pools;
