-- customers_active --
-- Customers that may use a pool now, in the direction of the list: those without doubles come in no other.
select distinct organization_id, workspace_id
from pool_assignments
where unassigned_at is null
order by organization_id, workspace_id {direction};
