-- pool --
-- A pool as it is.
select * from resource_pools where pool_id = %s;
