-- rules_of_set --
-- The rules of a version of a set, in their order, with the type of their keys.
select r.*, k.name, k.data_type, k.unit, k.scale
from entitlement_set_rules r join resource_keys k using (resource_key)
where r.set_id = %(set_id)s and r.set_version = %(set_version)s
order by r.position;
