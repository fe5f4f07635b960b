-- keys_that_descend --
-- A key and all that inherit from it, directly or not: whoever holds one of them may be granted it.
with recursive kin as (
    select %(resource_key)s::text as resource_key
    union
    select p.resource_key from resource_key_parents p join kin on p.parent_key = kin.resource_key
)
select
    k.resource_key, k.data_type, k.override_policy, k.constraints,
    array(select p.parent_key from resource_key_parents p where p.resource_key = k.resource_key order by p.position) as inherits_from
from kin
join resource_keys k using (resource_key);
