-- load --
-- The rows that a batch touches, as they are before it.
select t.* from resource_pools t where t.pool_id = any(%s::text[]);
