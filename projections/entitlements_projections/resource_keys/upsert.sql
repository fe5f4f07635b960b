-- upsert --
-- Adds keys and completes them. The order of keys keeps two projectors from waiting for each other in a circle.
insert into resource_keys as t (
    resource_key, name, data_type, unit, scale, defined_at, actor, version,
    entitlement_type, default_value, override_policy, usage_tracking, constraints
)
select
    resource_key, name, data_type, unit, scale, defined_at, actor, version,
    entitlement_type, default_value, override_policy, usage_tracking, constraints
from staged_resource_keys
order by resource_key
on conflict (resource_key) do update set
    name = excluded.name,
    data_type = excluded.data_type,
    unit = excluded.unit,
    scale = excluded.scale,
    defined_at = excluded.defined_at,
    actor = excluded.actor,
    version = excluded.version,
    entitlement_type = excluded.entitlement_type,
    default_value = excluded.default_value,
    override_policy = excluded.override_policy,
    usage_tracking = excluded.usage_tracking,
    constraints = excluded.constraints
where t.version < excluded.version;
