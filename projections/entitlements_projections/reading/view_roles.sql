-- view_roles --
-- The features of given pools that only members of some role have.
select pool_id, resource_key, min_role
from boolean_entitlements
where pool_id = any(%(pool_ids)s::text[]) and held and min_role <> '';
