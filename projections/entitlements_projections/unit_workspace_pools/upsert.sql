-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into unit_workspace_pools as t (
    organization_id, workspace_id, pool_id, role, may_overflow, changed_at, version
)
select
    organization_id, workspace_id, pool_id, role, may_overflow, changed_at, version
from staged_unit_workspace_pools
order by organization_id, workspace_id, pool_id
on conflict (organization_id, workspace_id, pool_id) do update set
    role = excluded.role,
    may_overflow = excluded.may_overflow,
    changed_at = excluded.changed_at,
    version = excluded.version
where t.version < excluded.version;
