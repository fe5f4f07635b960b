-- on_demand_of_pool --
-- How consumption above what is included is paid for, with what was spent in the period under way and what reservations hold of it.
select d.*, (
    select coalesce(sum(h.spending), 0)::bigint from pool_reservations h
    where h.pool_id = d.pool_id and h.resource_key = d.resource_key and h.status = 'held'
        and h.expires_at > case when p.backfilling then p.clock else %(at)s::timestamptz end
) as spending_reserved
from pool_ondemand_config d
join resource_pools p using (pool_id)
where d.pool_id = %(pool_id)s
order by d.resource_key;
