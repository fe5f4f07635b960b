-- pools_ever_of_workspace --
-- The pools of an organization that a workspace uses or was assigned before, those that it uses first, in their order.
select p.pool_id, p.backfilling, w.pool_id is not null as is_used
from resource_pools p
left join workspace_pools w
    on w.pool_id = p.pool_id and w.organization_id = p.organization_id and w.workspace_id = %(workspace_id)s
left join pool_assignments a on a.pool_id = p.pool_id and a.workspace_id = %(workspace_id)s
where p.organization_id = %(organization_id)s and (w.pool_id is not null or a.pool_id is not null)
order by w.pool_order nulls last, p.pool_id;
