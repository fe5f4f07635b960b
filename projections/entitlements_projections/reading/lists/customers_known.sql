-- customers_known --
-- Every customer that was ever assigned to a pool or placed in a unit, in the direction of the list.
select distinct organization_id, workspace_id
from (
    select organization_id, workspace_id from pool_assignments
    union all
    select organization_id, workspace_id from organization_workspaces
) mentioned
order by organization_id, workspace_id {direction};
