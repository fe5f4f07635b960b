-- view_overrides --
-- The overrides that hold now in given pools, of the pools and of the workspaces, the newest last.
select v.*
from pool_overrides v
join resource_pools p using (pool_id)
where v.pool_id = any(%(pool_ids)s::text[]) and v.workspace_id = any('{""}'::text[] || %(workspace_ids)s::text[])
    and v.status = 'set'
    and (v.expires_at is null or v.expires_at > case when p.backfilling then p.clock else now() end)
order by v.version;
