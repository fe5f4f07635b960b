-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[]) as wanted (pool_id, override_id)
join pool_overrides t using (pool_id, override_id);
