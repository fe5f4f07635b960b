-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[]) as wanted (pool_id, resource_key)
join pool_ondemand_config t using (pool_id, resource_key);
