-- entitlements --
-- What pools have at an instant, with what is consumed and what remains of what is included (null: unlimited).
-- The present of a pool in backfill is its own clock. Where nothing was counted in the present period its bounds are null here:
-- the reader works them out by the calendar, which is beside.
with present as (
    select p.pool_id, p.time_zone, p.anchor_at, case when p.backfilling then p.clock else %(at)s::timestamptz end as at
    from resource_pools p
    where p.pool_id = any(%(pool_ids)s::text[])
)
select
    e.pool_id, e.resource_key, k.name, k.data_type, k.unit, k.scale, e.entitlement_type,
    e.effective_limit, e.soft_limit, e.hard_limit, e.period, u.period_start, u.period_end as resets_at,
    coalesce(u.consumed, 0) as consumed,
    coalesce(u.elsewhere, 0) as elsewhere,
    coalesce(r.reserved, 0) as reserved,
    -- greatest ignores null, and unlimited stays unlimited.
    case when e.effective_limit is not null then
        greatest(e.effective_limit - coalesce(u.consumed, 0) + coalesce(u.elsewhere, 0) - coalesce(r.reserved, 0), 0)
    end as remaining,
    u.warned_at, u.exceeded_at, e.changed_at, e.over_allocated,
    array(
        select c.provision_id from numeric_entitlement_contributions c
        where c.pool_id = e.pool_id and c.resource_key = e.resource_key and not c.kept order by c.position
    ) as provision_ids,
    n.at, n.time_zone, coalesce(e.anchor_at, case when e.anchored then n.anchor_at end) as anchor_at
from present n
join numeric_entitlements e using (pool_id)
join resource_keys k using (resource_key)
left join lateral (
    select t.* from numeric_entitlement_usage t
    where t.pool_id = e.pool_id and t.resource_key = e.resource_key and t.version > e.counts_from
        and (
            (e.period is not null and t.period_start <= n.at and n.at < t.period_end)
            or ((e.period is null or e.period = 'lifetime') and t.period_start is null)
        )
    order by t.version desc
    limit 1
) u on true
left join lateral (
    select sum(h.held) as reserved from pool_reservations h
    where h.pool_id = e.pool_id and h.resource_key = e.resource_key and h.status = 'held' and h.expires_at > n.at
) r on true
where e.held
union all
select
    e.pool_id, e.resource_key, k.name, k.data_type, k.unit, k.scale, 'boolean',
    null, null, null, null, null, null, null, null, null, null, null, null, e.changed_at, false, e.provision_ids,
    n.at, n.time_zone, null
from present n
join boolean_entitlements e using (pool_id)
join resource_keys k using (resource_key)
where e.held
order by pool_id, resource_key;
