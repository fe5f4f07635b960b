-- upsert --
-- Takes the newest total only, so a replayed batch changes nothing. A batch without a warning leaves the earlier one.
insert into numeric_entitlement_usage as t (
    pool_id, resource_key, period_start, period_end, consumed, elsewhere, owed, warned_at, exceeded_at, counted_at, version
)
select
    pool_id,
    resource_key,
    timestamptz 'epoch' + period_start_ms * interval '1 millisecond',
    timestamptz 'epoch' + period_end_ms * interval '1 millisecond',
    consumed,
    elsewhere,
    owed,
    timestamptz 'epoch' + warned_at_ms * interval '1 millisecond',
    timestamptz 'epoch' + exceeded_at_ms * interval '1 millisecond',
    timestamptz 'epoch' + counted_at_ms * interval '1 millisecond',
    version
from staged_numeric_entitlement_usage
on conflict (pool_id, resource_key, period_start, period_end) do update set
    consumed = excluded.consumed,
    elsewhere = coalesce(excluded.elsewhere, t.elsewhere),
    owed = coalesce(excluded.owed, t.owed),
    warned_at = coalesce(excluded.warned_at, t.warned_at),
    exceeded_at = coalesce(excluded.exceeded_at, t.exceeded_at),
    counted_at = excluded.counted_at,
    version = excluded.version
where t.version < excluded.version;
