-- workspace_entitlements --
-- What an organization's workspace has at an instant, of a key or (null) of all, in the order in which it draws on its pools.
select e.*, not e.held and is_suspended(e.pool_id, e.resource_key) as suspended
from workspace_entitlements_at(coalesce(%(at)s, now())) e
where organization_id = %(organization_id)s and workspace_id = %(workspace_id)s
    and (%(resource_key)s::text is null or resource_key = %(resource_key)s)
order by pool_order, resource_key;
