-- overrides_of_key --
-- The overrides of a key that hold in pools at an instant, of the pools and of one workspace, the newest last.
select v.*
from pool_overrides v
join resource_pools p using (pool_id)
where v.pool_id = any(%(pool_ids)s::text[]) and v.resource_key = %(resource_key)s and v.workspace_id in ('', %(workspace_id)s)
    and v.status = 'set'
    and (v.expires_at is null or v.expires_at > case when p.backfilling then p.clock else coalesce(%(at)s, now()) end)
order by v.version;
