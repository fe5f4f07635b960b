-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[]) as wanted (pool_id, reservation_id)
join pool_reservations t using (pool_id, reservation_id);
