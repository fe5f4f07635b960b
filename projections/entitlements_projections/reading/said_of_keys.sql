-- said_of_keys --
-- What is said of each key itself in each pool at an instant: by rules, by a rule that denies it, by an override.
-- A feature that is contributed and yet not held was denied. An override of the workspace takes away, it gives nothing that the pool
-- has not.
select
    p.pool_id, k.resource_key,
    coalesce(b.held, false) or coalesce(n.held, false) as held,
    coalesce(not b.held and cardinality(b.provision_ids) > 0, false) as denied,
    o.allowed as overridden,
    not (coalesce(b.held, false) or coalesce(n.held, false)) and is_suspended(p.pool_id, k.resource_key) as suspended
from unnest(%(pool_ids)s::text[]) as p (pool_id)
cross join unnest(%(resource_keys)s::text[]) as k (resource_key)
left join boolean_entitlements b on b.pool_id = p.pool_id and b.resource_key = k.resource_key
left join numeric_entitlements n on n.pool_id = p.pool_id and n.resource_key = k.resource_key
left join lateral (
    select v.allowed from pool_overrides v
    where v.pool_id = p.pool_id and v.resource_key = k.resource_key and v.status = 'set'
        and (v.expires_at is null or v.expires_at > %(at)s)
        and (v.workspace_id = '' or (v.workspace_id = %(workspace_id)s and not v.allowed))
    order by v.workspace_id <> '' desc, v.version desc
    limit 1
) o on true
order by array_position(%(pool_ids)s::text[], p.pool_id), k.resource_key;
