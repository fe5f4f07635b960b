-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[]) as wanted (pool_id, workspace_id)
join pool_assignments t using (pool_id, workspace_id);
