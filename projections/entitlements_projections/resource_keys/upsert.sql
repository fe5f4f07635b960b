-- upsert --
-- Adds keys and completes them, in their order: two projectors never wait in a circle. One that is there and only used is not locked.
insert into resource_keys as t (
    resource_key, name, data_type, unit, scale, defined_at, actor, version,
    entitlement_type, default_value, override_policy, usage_tracking, constraints
)
select
    resource_key, name, data_type, unit, scale, defined_at, actor, version,
    entitlement_type, default_value, override_policy, usage_tracking, constraints
from staged_resource_keys s
where s.version > 0 or not exists (select from resource_keys k where k.resource_key = s.resource_key)
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
