-- access_policies --
-- The policies of an organization by their names, and of each whether it counts.
select
    policy_id, policy_version, policies_version, name, effect, priority, document, changed_at, retired_at, actor
from access_policies
where organization_id = %(organization_id)s
order by priority desc, effect = 'ALLOW', policy_id;
