-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into organization_members as t (
    organization_id, unit_id, workspace_id, subject_id, role, set_at, actor, version
)
select
    organization_id, unit_id, workspace_id, subject_id, role, set_at, actor, version
from staged_organization_members
order by organization_id, unit_id, workspace_id, subject_id
on conflict (organization_id, unit_id, workspace_id, subject_id) do update set
    role = excluded.role,
    set_at = excluded.set_at,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
