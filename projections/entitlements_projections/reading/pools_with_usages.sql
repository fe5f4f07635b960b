-- pools_with_usages --
-- Of many pools and usage ids, pair by pair, those under which usage was recorded.
select distinct asked.pool_id, asked.usage_id
from unnest(%(pool_ids)s::text[], %(usage_ids)s::text[]) as asked (pool_id, usage_id)
inner join usage_events on usage_events.pool_id = asked.pool_id and usage_events.usage_id = asked.usage_id;
