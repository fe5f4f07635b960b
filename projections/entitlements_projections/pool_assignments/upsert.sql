-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
-- A pool is there before anything is assigned to it, and stays its organization's.
insert into pool_assignments as t (
    pool_id, organization_id, workspace_id, role, may_overflow, assigned_at, unassigned_at, reason, actor, version
)
select
    s.pool_id, p.organization_id, s.workspace_id, s.role, s.may_overflow, s.assigned_at, s.unassigned_at, s.reason, s.actor, s.version
from staged_pool_assignments s left join resource_pools p using (pool_id)
order by s.pool_id, s.workspace_id
on conflict (pool_id, workspace_id) do update set
    role = excluded.role,
    may_overflow = excluded.may_overflow,
    assigned_at = excluded.assigned_at,
    unassigned_at = excluded.unassigned_at,
    reason = excluded.reason,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
