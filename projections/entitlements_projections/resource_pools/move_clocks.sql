-- move_clocks --
-- Clocks only go forward, so a replayed batch changes nothing.
update resource_pools t set version = s.version, clock = timestamptz 'epoch' + s.clock_ms * interval '1 millisecond'
from staged_pool_clocks s
where t.pool_id = s.pool_id and t.version < s.version;
