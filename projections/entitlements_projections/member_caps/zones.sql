-- zones --
-- By which time zones pools count, before a batch changes that.
select pool_id, time_zone from resource_pools where pool_id = any(%s::text[]);
