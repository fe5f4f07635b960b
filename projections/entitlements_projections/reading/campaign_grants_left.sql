-- campaign_grants_left --
-- Grants of campaigns that are to be taken back: inactive, activated anew since, or without this pool. By pool and grant.
select g.pool_id, g.grant_id, w.campaign_id
from campaigns w
cross join lateral generate_series(1, w.activation) as number
join grants g on g.grant_id = w.campaign_id || '#' || number
join resource_pools r using (pool_id)
left join campaign_pools c on c.campaign_id = w.campaign_id and c.pool_id = g.pool_id
where g.status = 'issued' and r.status <> 'closed'
    and (not w.is_active or number < w.activation or c.removed_at is not null)
    and (g.pool_id, g.grant_id) > (%(after_pool)s, %(after_id)s)
order by 1, 2
limit %(count)s;
