-- campaign_grants_missing --
-- Pools on which an active campaign is to be conferred and is not yet, by pool and grant.
select c.pool_id, w.campaign_id || '#' || w.activation as grant_id, w.campaign_id
from campaigns w
join campaign_pools c using (campaign_id)
join resource_pools r using (pool_id)
left join grants g on g.pool_id = c.pool_id and g.grant_id = w.campaign_id || '#' || w.activation
where w.is_active and w.ends_at > now() and c.removed_at is null and r.status <> 'closed' and g.grant_id is null
    and (c.pool_id, w.campaign_id || '#' || w.activation) > (%(after_pool)s, %(after_id)s)
order by 1, 2
limit %(count)s;
