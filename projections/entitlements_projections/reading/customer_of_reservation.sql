-- customer_of_reservation --
-- For which workspace something was reserved in a pool.
select workspace_id
from pool_reservations
where pool_id = %(pool_id)s and reservation_id = %(reservation_id)s;
