-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into access_policies as t (
    organization_id, policy_id, policy_version, policies_version, name, effect, priority, document, changed_at, retired_at, actor,
    version
)
select
    organization_id, policy_id, policy_version, policies_version, name, effect, priority, document, changed_at, retired_at, actor,
    version
from staged_access_policies
order by organization_id, policy_id
on conflict (organization_id, policy_id) do update set
    policy_version = excluded.policy_version,
    policies_version = excluded.policies_version,
    name = excluded.name,
    effect = excluded.effect,
    priority = excluded.priority,
    document = excluded.document,
    changed_at = excluded.changed_at,
    retired_at = excluded.retired_at,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
