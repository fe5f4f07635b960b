-- view_rows --
-- What workspaces have now from given pools, in drawing order; what they had once too.
select *
from workspace_entitlements_at(now())
where organization_id = %(organization_id)s and workspace_id = any(%(workspace_ids)s::text[])
    and pool_id = any(%(pool_ids)s::text[])
order by workspace_id, resource_key, pool_order;
