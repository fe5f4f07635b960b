-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into pool_assignments as t (
    pool_id, workspace_id, role, may_overflow, assigned_at, unassigned_at, reason, actor, version
)
select
    pool_id, workspace_id, role, may_overflow, assigned_at, unassigned_at, reason, actor, version
from staged_pool_assignments
order by pool_id, workspace_id
on conflict (pool_id, workspace_id) do update set
    role = excluded.role,
    may_overflow = excluded.may_overflow,
    assigned_at = excluded.assigned_at,
    unassigned_at = excluded.unassigned_at,
    reason = excluded.reason,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
