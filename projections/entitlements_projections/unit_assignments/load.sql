-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[], %s::text[]) as wanted (organization_id, unit_id, pool_id)
join unit_assignments t using (organization_id, unit_id, pool_id);
