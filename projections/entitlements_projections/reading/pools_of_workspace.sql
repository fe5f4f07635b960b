-- pools_of_workspace --
-- The pools of a workspace in the order in which it draws on them: the primary (most recently assigned as primary) first.
select
    a.pool_id, a.role, a.may_overflow, a.assigned_at, p.status, p.name, p.organization_id, p.backfilling,
    a.role = 'primary' and row_number() over (partition by a.role order by a.assigned_at desc, a.pool_id) = 1 as is_primary
from pool_assignments a join resource_pools p using (pool_id)
where a.workspace_id = %s and a.unassigned_at is null
order by is_primary desc, a.assigned_at, a.pool_id;
