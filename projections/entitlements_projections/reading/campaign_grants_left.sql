-- campaign_grants_left --
-- Grants of campaigns that are to be taken back: inactive, activated anew since, or without this pool. By pool and grant.
-- Their ids begin with ~, as no id that a caller chooses does (domain/ids.py).
select g.pool_id, g.grant_id, w.campaign_id, w.version
from grants g
join campaigns w on '~' || w.campaign_id = split_part(g.grant_id, '#', 1)
join resource_pools r using (pool_id)
left join campaign_pools c on c.campaign_id = w.campaign_id and c.pool_id = g.pool_id
where g.status = 'issued' and g.actor = %(actor)s and r.status <> 'closed' and not r.backfilling
    and (
        not w.is_active or c.removed_at is not null
        or g.grant_id <> '~' || w.campaign_id || '#' || w.activation || case when c.times > 1 then '.' || c.times else '' end
    )
    and (g.pool_id, g.grant_id) > (%(after_pool)s, %(after_id)s)
order by 1, 2
limit %(count)s;
