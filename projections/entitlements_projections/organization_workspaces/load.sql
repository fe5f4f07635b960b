-- load --
-- The rows that a batch touches, as they are before it.
select t.*
from unnest(%s::text[], %s::text[]) as wanted (organization_id, workspace_id)
join organization_workspaces t using (organization_id, workspace_id);
