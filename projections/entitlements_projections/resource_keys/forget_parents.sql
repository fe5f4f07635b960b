-- forget_parents --
-- Takes away what older definitions of a key said. After the keys themselves: they know which definition is the newest.
delete from resource_key_parents t
using staged_resource_keys s, resource_keys k
where t.resource_key = s.resource_key and k.resource_key = s.resource_key and t.version < k.version;
