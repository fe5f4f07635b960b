-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into campaign_pools as t (
    campaign_id, pool_id, added_at, times, removed_at, version
)
select
    campaign_id, pool_id, added_at, times, removed_at, version
from staged_campaign_pools
order by campaign_id, pool_id
on conflict (campaign_id, pool_id) do update set
    added_at = excluded.added_at,
    times = excluded.times,
    removed_at = excluded.removed_at,
    version = excluded.version
where t.version < excluded.version;
