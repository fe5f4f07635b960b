-- reservations_of_pool --
-- What is reserved at an instant, the next to expire first.
select h.*
from pool_reservations h
join resource_pools p using (pool_id)
where h.pool_id = %(pool_id)s and h.status = 'held'
    and h.expires_at > case when p.backfilling then p.clock else %(at)s::timestamptz end
order by h.expires_at, h.reservation_id;
