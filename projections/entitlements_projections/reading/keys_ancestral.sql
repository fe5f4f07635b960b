-- keys_ancestral --
-- Keys and all that they inherit from, directly or not. A key that is only mentioned so far has no data_type.
with recursive kin as (
    select unnest(%(resource_keys)s::text[]) as resource_key
    union
    select p.parent_key from resource_key_parents p join kin on p.resource_key = kin.resource_key
)
select
    k.resource_key, k.data_type, k.override_policy, k.constraints,
    array(select p.parent_key from resource_key_parents p where p.resource_key = k.resource_key order by p.position) as inherits_from
from kin
join resource_keys k using (resource_key);
