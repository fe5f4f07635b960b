-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[]) as wanted (pool_id, provision_id)
join pool_provisions t using (pool_id, provision_id);
