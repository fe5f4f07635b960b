-- workspaces_of_pools --
-- Whoever is or was assigned: what becomes of a pool concerns those too who are just being taken off it.
select pool_id, workspace_id from pool_assignments where pool_id = any(%(pool_ids)s);
