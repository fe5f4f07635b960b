-- view_starts --
-- The provisions of given pools that have still to start, with the keys they confer and those of which there may be less then.
select pool_id, starts_at, resource_keys, lowering_keys
from pool_provisions
where pool_id = any(%(pool_ids)s::text[]) and status = 'scheduled'
order by pool_id, starts_at;
