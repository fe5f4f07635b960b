-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[], %s::text[], %s::text[]) as wanted (pool_id, workspace_id, subject_id, resource_key)
join member_caps t using (pool_id, workspace_id, subject_id, resource_key);
