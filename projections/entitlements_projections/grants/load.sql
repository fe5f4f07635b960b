-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[]) as wanted (pool_id, grant_id)
join grants t using (pool_id, grant_id);
