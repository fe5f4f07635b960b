-- policies_in_force --
-- What an organization decides by: the version of its policies together, those that count, and what is known of keys.
-- metered_keys: those that are numbers, if a policy allows anything. keys: the type of every key that is defined.
select
    coalesce(max(policies_version), 0) as version,
    array_agg(document order by policy_id) filter (where retired_at is null) as documents,
    case when bool_or(effect = 'ALLOW' and retired_at is null) then (
        select array_agg(resource_key order by resource_key) from resource_keys where data_type = 'integer'
    ) end as metered_keys,
    (select jsonb_object_agg(resource_key, data_type) from resource_keys where data_type is not null) as keys
from access_policies
where organization_id = %(organization_id)s;
