-- campaign_grants_missing --
-- Pools on which an active campaign is to be conferred and is not yet, by pool and grant.
-- A pool that was taken out and is in again gets another grant than before.
select c.pool_id, n.grant_id, w.campaign_id, w.version
from campaigns w
join campaign_pools c using (campaign_id)
join resource_pools r using (pool_id)
cross join lateral (select '~' || w.campaign_id || '#' || w.activation || case when c.times > 1 then '.' || c.times else '' end as grant_id) n
left join grants g on g.pool_id = c.pool_id and g.grant_id = n.grant_id
where w.is_active and w.ends_at > now() and c.removed_at is null and r.status <> 'closed' and not r.backfilling
    and g.grant_id is null
    and (c.pool_id, n.grant_id) > (%(after_pool)s, %(after_id)s)
order by 1, 2
limit %(count)s;
