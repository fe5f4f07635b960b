-- organizations_of_workspace --
-- The organizations that have a workspace of this id: more than one, where their customers happen to have the same id.
select distinct p.organization_id
from pool_assignments a join resource_pools p using (pool_id)
where a.workspace_id = %(workspace_id)s and a.unassigned_at is null
order by p.organization_id;
