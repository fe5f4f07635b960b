-- key_of_pools --
-- What pools have of one key at an instant, as the view workspace_entitlements says it, apart from any workspace.
select
    e.*, coalesce(d.enabled, false) as on_demand, d.payer, d.currency, d.unit_price, d.price_per, d.spending_cap, d.spent,
    d.bought, d.charged, nullif(e.override_id, '') as pool_override_id,
    not e.held and is_suspended(e.pool_id, e.resource_key) as suspended,
    (
        select coalesce(sum(h.spending), 0)::bigint from pool_reservations h
        where h.pool_id = e.pool_id and h.resource_key = e.resource_key and h.status = 'held' and h.expires_at > e.at
    ) as spending_reserved
from pool_entitlements(coalesce(%(at)s, now())) e
left join pool_ondemand_config d on d.pool_id = e.pool_id and d.resource_key = e.resource_key
where e.pool_id = any(%(pool_ids)s::text[]) and e.resource_key = any(%(resource_keys)s::text[])
order by e.pool_id, e.resource_key;
