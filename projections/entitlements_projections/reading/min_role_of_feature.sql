-- min_role_of_feature --
-- The least role of a member that has a feature of a pool.
select min_role
from boolean_entitlements
where pool_id = %s and resource_key = %s;
