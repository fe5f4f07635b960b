-- view_pools --
-- The pools of one organization that workspaces use, in the order in which each draws on them.
select
    a.workspace_id, a.pool_id, a.role, a.may_overflow, p.status, p.backfilling,
    row_number() over (
        partition by a.workspace_id
        order by a.role <> 'primary', case when a.role = 'primary' then a.assigned_at end desc, a.assigned_at, a.pool_id
    ) as pool_order
from pool_assignments a
join resource_pools p using (pool_id)
where a.workspace_id = any(%(workspace_ids)s::text[]) and p.organization_id = %(organization_id)s and a.unassigned_at is null
order by a.workspace_id, pool_order;
