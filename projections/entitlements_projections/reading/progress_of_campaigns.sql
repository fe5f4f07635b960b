-- progress_of_campaigns --
-- Of every campaign: its pools, on how many it is conferred, and how many grants are still to be taken back.
select
    w.campaign_id, w.is_active, w.starts_at, w.ends_at, w.activation,
    (select count(*) from campaign_pools c where c.campaign_id = w.campaign_id and c.removed_at is null) as pools,
    (
        select count(*) from campaign_pools c join grants g on g.pool_id = c.pool_id
        where c.campaign_id = w.campaign_id and c.removed_at is null and g.status = 'issued' and w.is_active
            and g.grant_id = '~' || w.campaign_id || '#' || w.activation || case when c.times > 1 then '.' || c.times else '' end
    ) as conferred,
    (
        select count(*)
        from grants g
        left join campaign_pools c on c.campaign_id = w.campaign_id and c.pool_id = g.pool_id
        where split_part(g.grant_id, '#', 1) = '~' || w.campaign_id and g.status = 'issued' and g.actor = 'policy:campaigns'
            and (not w.is_active or c.removed_at is not null or g.grant_id <> '~' || w.campaign_id || '#' || w.activation || case when c.times > 1 then '.' || c.times else '' end)
    ) as left_over
from campaigns w
order by w.campaign_id;
