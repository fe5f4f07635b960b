-- resource_key --
-- A key that was defined, with the keys it inherits from in their order.
select
    k.*,
    array(select p.parent_key from resource_key_parents p where p.resource_key = k.resource_key order by p.position) as inherits_from
from resource_keys k
where k.resource_key = %s and k.version > 0;
