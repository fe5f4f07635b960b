-- pools_of_workspace --
-- The pools of an organization's workspace in the order in which it draws on them.
select w.pool_id, w.role, w.may_overflow, w.assigned_at, p.status, p.name, w.organization_id, w.is_primary, p.backfilling
from workspace_pools w join resource_pools p using (pool_id)
where w.organization_id = %(organization_id)s and w.workspace_id = %(workspace_id)s
order by w.pool_order;
