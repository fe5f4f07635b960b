-- pool_with_reservation --
-- The pool, of those given, in which something was reserved under an id; one that holds it still comes first.
select pool_id
from pool_reservations
where pool_id = any(%(pool_ids)s::text[]) and reservation_id = %(reservation_id)s
order by over_at desc nulls first
limit 1;
