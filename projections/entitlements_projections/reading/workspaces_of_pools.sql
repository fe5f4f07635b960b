-- workspaces_of_pools --
-- Whose pools are, and whoever is or was assigned: what becomes of a pool concerns those too who are just being taken off it.
select p.pool_id, p.organization_id, array(select a.workspace_id from pool_assignments a where a.pool_id = p.pool_id) as workspace_ids
from resource_pools p
where p.pool_id = any(%(pool_ids)s);
