-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into organization_workspaces as t (
    organization_id, workspace_id, unit_id, placed_at, actor, version
)
select
    organization_id, workspace_id, unit_id, placed_at, actor, version
from staged_organization_workspaces
order by organization_id, workspace_id
on conflict (organization_id, workspace_id) do update set
    unit_id = excluded.unit_id,
    placed_at = excluded.placed_at,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
