-- contributions --
-- What contributes to a key of pools (null: to all of them), in burn order, with the provision that it comes from; without one it is the key's default.
select
    c.pool_id, c.resource_key, c.provision_id, c.included_limit, c.soft_limit, c.hard_limit, c.carried, c.kept, c.recurs, c.is_feature,
    v.source, v.source_id, v.billing_account_id, v.set_id, v.set_version, v.quantity, v.priority, v.status, v.ends_at
from (
    select
        pool_id, resource_key, provision_id, position, included_limit, soft_limit, hard_limit, carried, kept, recurs, false as is_feature
    from numeric_entitlement_contributions
    union all
    select b.pool_id, b.resource_key, p.provision_id, p.position, null, null, null, 0, false, null, true
    from boolean_entitlements b cross join lateral unnest(b.provision_ids) with ordinality as p (provision_id, position)
    where b.held
) c
left join pool_provisions v on v.pool_id = c.pool_id and v.provision_id = c.provision_id
where c.pool_id = any(%(pool_ids)s::text[]) and (%(resource_key)s::text is null or c.resource_key = %(resource_key)s)
order by c.pool_id, c.resource_key, c.position;
