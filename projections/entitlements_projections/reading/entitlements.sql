-- entitlements --
-- What pools have at an instant, with what is consumed and what remains of what is included (null: unlimited).
-- Keys that are no longer held are there while they are paused, or something is consumed in their period or owed.
-- Where nothing was counted in the present period its bounds are null here: the reader works them out by the calendar, which is beside.
select
    e.pool_id, e.resource_key, k.name, k.data_type, k.unit, k.scale, e.entitlement_type, e.effective_limit, e.soft_limit,
    e.hard_limit, e.period, e.period_start, e.resets_at, e.consumed, e.elsewhere, e.uncounted, e.owed, e.reserved, e.remaining, e.warned_at,
    e.exceeded_at, e.changed_at, e.over_allocated, e.override_id, e.provision_ids,
    e.held, not e.held and is_paused(e.pool_id, e.resource_key) as suspended,
    is_available(k.constraints, e.at) as available, e.at, e.time_zone, e.anchor_at
from pool_entitlements(%(at)s) e
join resource_keys k using (resource_key)
where e.pool_id = any(%(pool_ids)s::text[]) and (e.held or e.consumed > 0 or e.owed > 0 or is_paused(e.pool_id, e.resource_key))
order by e.pool_id, e.resource_key;
