-- pool_with_usage --
-- The pool, of those given, that recorded usage under an id.
select pool_id
from usage_events
where pool_id = any(%(pool_ids)s::text[]) and usage_id = %(usage_id)s
limit 1;
