-- withdraw --
-- Takes away what a correction withdrew. A repeat finds it so, and what was exceeded again later stays.
update numeric_entitlement_usage t
set exceeded_at = timestamptz 'epoch' + s.exceeded_at_ms * interval '1 millisecond'
from staged_withdrawn s
where t.pool_id = s.pool_id and t.resource_key = s.resource_key
    and t.period_start is not distinct from timestamptz 'epoch' + s.period_start_ms * interval '1 millisecond'
    and t.period_end is not distinct from timestamptz 'epoch' + s.period_end_ms * interval '1 millisecond'
    and t.version <= s.version;
