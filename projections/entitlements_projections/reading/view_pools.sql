-- view_pools --
-- The pools of one organization that workspaces use, in the order in which each draws on them. An older primary is told as secondary.
select
    w.workspace_id, w.pool_id, case when w.is_primary then 'primary' else 'secondary' end as role, w.may_overflow, p.status,
    p.backfilling, w.pool_order
from workspace_pools w join resource_pools p using (pool_id)
where w.organization_id = %(organization_id)s and w.workspace_id = any(%(workspace_ids)s::text[])
order by w.workspace_id, w.pool_order;
