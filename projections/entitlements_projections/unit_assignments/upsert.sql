-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into unit_assignments as t (
    organization_id, unit_id, pool_id, role, may_overflow, assigned_at, unassigned_at, actor, version
)
select
    organization_id, unit_id, pool_id, role, may_overflow, assigned_at, unassigned_at, actor, version
from staged_unit_assignments
order by organization_id, unit_id, pool_id
on conflict (organization_id, unit_id, pool_id) do update set
    role = excluded.role,
    may_overflow = excluded.may_overflow,
    assigned_at = excluded.assigned_at,
    unassigned_at = excluded.unassigned_at,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
