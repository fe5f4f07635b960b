-- upsert --
-- Adds keys and completes them. The order of keys keeps two projectors from waiting for each other in a circle.
insert into resource_keys as t (resource_key, name, data_type, unit, scale, defined_at, actor, version)
select resource_key, name, data_type, unit, scale, defined_at, actor, version
from staged_resource_keys
order by resource_key
on conflict (resource_key) do update set
    name = excluded.name,
    data_type = excluded.data_type,
    unit = excluded.unit,
    scale = excluded.scale,
    defined_at = excluded.defined_at,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
