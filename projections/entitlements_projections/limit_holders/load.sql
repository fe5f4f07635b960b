-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[], %s::text[]) as wanted (pool_id, resource_key, holder_id)
join limit_holders t using (pool_id, resource_key, holder_id);
