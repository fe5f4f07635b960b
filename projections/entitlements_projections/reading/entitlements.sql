-- entitlements --
-- What pools have at an instant, with what is consumed and what remains (null: unlimited).
-- A period that has ended counts nothing. The present of a pool in backfill is its own clock.
with present as (
    select p.pool_id, case when p.backfilling then p.clock else %(at)s::timestamptz end as at
    from resource_pools p
    where p.pool_id = any(%(pool_ids)s::text[])
),
numbers as (
    select
        e.*,
        date_trunc(e.period, n.at, 'UTC') as period_start,
        -- In local time of UTC, so that a month is a month whatever the session's time zone.
        (date_trunc(e.period, n.at, 'UTC') at time zone 'UTC' + ('1 ' || e.period)::interval) at time zone 'UTC' as resets_at
    from present n join numeric_entitlements e using (pool_id)
)
select
    e.pool_id, e.resource_key, k.name, k.data_type, k.unit, k.scale, e.entitlement_type,
    e.effective_limit, e.soft_limit, e.hard_limit, e.period, e.period_start, e.resets_at,
    coalesce(u.consumed, 0) as consumed,
    -- greatest ignores null, and unlimited stays unlimited.
    case when e.effective_limit is not null then greatest(e.effective_limit - coalesce(u.consumed, 0), 0) end as remaining,
    u.warned_at, u.exceeded_at, e.changed_at,
    array(
        select c.provision_id from numeric_entitlement_contributions c
        where c.pool_id = e.pool_id and c.resource_key = e.resource_key order by c.position
    ) as provision_ids
from numbers e
join resource_keys k using (resource_key)
left join numeric_entitlement_usage u
    on u.pool_id = e.pool_id and u.resource_key = e.resource_key and u.version > e.counts_from
    and (
        (u.period_start = e.period_start and u.period_end = e.resets_at)
        or (e.period is null and u.period_start is null)
    )
where e.held
union all
select
    e.pool_id, e.resource_key, k.name, k.data_type, k.unit, k.scale, 'boolean',
    null, null, null, null, null, null, null, null, null, null, e.changed_at, e.provision_ids
from present n
join boolean_entitlements e using (pool_id)
join resource_keys k using (resource_key)
where e.held
order by pool_id, resource_key;
