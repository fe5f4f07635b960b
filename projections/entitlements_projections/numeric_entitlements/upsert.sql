-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into numeric_entitlements as t (
    pool_id, resource_key, entitlement_type, held, effective_limit, soft_limit, hard_limit, period, stacking, anchored, anchor_at, grace_for, credit_key, override_id, over_allocated,
    changed_at, counts_from, credit_rate, credit_per, credit_quantity, credit_units, rated_at, begins_with, uncounted, moved_start, moved_end, version
)
select
    pool_id, resource_key, entitlement_type, held, effective_limit, soft_limit, hard_limit, period, stacking, anchored, anchor_at, grace_for, credit_key, override_id, over_allocated,
    changed_at, counts_from, credit_rate, credit_per, credit_quantity, credit_units, rated_at, begins_with, uncounted, moved_start, moved_end, version
from staged_numeric_entitlements
order by pool_id, resource_key
on conflict (pool_id, resource_key) do update set
    entitlement_type = excluded.entitlement_type,
    held = excluded.held,
    effective_limit = excluded.effective_limit,
    soft_limit = excluded.soft_limit,
    hard_limit = excluded.hard_limit,
    period = excluded.period,
    stacking = excluded.stacking,
    anchored = excluded.anchored,
    anchor_at = excluded.anchor_at,
    grace_for = excluded.grace_for,
    credit_key = excluded.credit_key,
    override_id = excluded.override_id,
    over_allocated = excluded.over_allocated,
    changed_at = excluded.changed_at,
    counts_from = excluded.counts_from,
    credit_rate = excluded.credit_rate,
    credit_per = excluded.credit_per,
    credit_quantity = excluded.credit_quantity,
    credit_units = excluded.credit_units,
    rated_at = excluded.rated_at,
    begins_with = excluded.begins_with,
    uncounted = excluded.uncounted,
    moved_start = excluded.moved_start,
    moved_end = excluded.moved_end,
    version = excluded.version
where t.version < excluded.version;
