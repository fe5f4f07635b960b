-- view_rows --
-- What workspaces have now from given pools, those of one organization, in drawing order; what they had once too.
select e.*, not e.held and is_suspended(e.pool_id, e.resource_key) as suspended
from workspace_entitlements_at(now()) e
where workspace_id = any(%(workspace_ids)s::text[]) and pool_id = any(%(pool_ids)s::text[])
order by workspace_id, resource_key, pool_order;
