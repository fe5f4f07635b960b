-- policies --
-- Access policies as they were defined last, highest priority first.
-- The document is read as text: jsonb would write some of its numbers as others (1e308 as an integer of 309 digits).
select
    organization_id, policy_id, name, effect, priority, case when retired_at is null then 'active' else 'retired' end as status,
    policy_version, policies_version, document, changed_at, retired_at, actor,
    -priority::bigint as after_priority, case when effect = 'ALLOW' then 1 else 0 end as after_effect
from access_policies;
