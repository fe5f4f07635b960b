-- customers --
-- Customers, each with its unit and the pools that it may use now, in the order in which it draws on them.
select
    c.organization_id, c.workspace_id as customer_id,
    (
        select w.unit_id from organization_workspaces w
        where w.organization_id = c.organization_id and w.workspace_id = c.workspace_id and w.unit_id <> ''
    ) as unit_id,
    array(
        select p.pool_id from workspace_pools p
        where p.organization_id = c.organization_id and p.workspace_id = c.workspace_id
        order by p.pool_order
    ) as pool_ids,
    case when exists (
        select from pool_assignments a
        where a.organization_id = c.organization_id and a.workspace_id = c.workspace_id and a.unassigned_at is null
    ) then 'active' else 'inactive' end as status
from ({customers}) c;
