-- progress_of_campaigns --
-- Of every campaign: its pools, on how many it is conferred, and how many grants are still to be taken back.
select
    w.campaign_id, w.is_active, w.starts_at, w.ends_at, w.activation,
    (select count(*) from campaign_pools c where c.campaign_id = w.campaign_id and c.removed_at is null) as pools,
    (
        select count(*) from campaign_pools c join grants g on g.pool_id = c.pool_id
        where c.campaign_id = w.campaign_id and c.removed_at is null
            and g.grant_id = w.campaign_id || '#' || w.activation and g.status = 'issued'
    ) as conferred,
    (
        select count(*)
        from generate_series(1, w.activation) as number
        join grants g on g.grant_id = w.campaign_id || '#' || number
        left join campaign_pools c on c.campaign_id = w.campaign_id and c.pool_id = g.pool_id
        where g.status = 'issued' and (not w.is_active or number < w.activation or c.removed_at is not null)
    ) as left_over
from campaigns w
order by w.campaign_id;
