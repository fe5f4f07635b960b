-- resource_keys --
-- Resource keys that are defined; those that are only mentioned so far are none.
select resource_key, name, data_type, entitlement_type, unit, scale, default_value, defined_at, actor
from resource_keys
where version > 0;
