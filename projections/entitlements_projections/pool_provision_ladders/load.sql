-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[]) as wanted (pool_id, provision_id)
join pool_provision_ladders t using (pool_id, provision_id);
