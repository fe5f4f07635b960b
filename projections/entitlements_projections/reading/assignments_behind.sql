-- assignments_behind --
-- Workspaces whose assignments are not yet as their units say, by pool and workspace; without a role: to be unassigned.
-- What somebody assigned by hand after the unit took it back stays.
select w.pool_id, w.workspace_id, w.organization_id, w.role, w.may_overflow
from unit_workspace_pools w
-- An organization assigns its own pools only.
join resource_pools r on r.pool_id = w.pool_id and r.organization_id = w.organization_id
left join pool_assignments a
    on a.pool_id = w.pool_id and a.workspace_id = w.workspace_id and a.unassigned_at is null
where r.status <> 'closed' and not r.backfilling
    and case
        when w.role is null then a.pool_id is not null and (a.actor = %(actor)s or a.assigned_at <= w.changed_at)
        else a.pool_id is null or (a.role, a.may_overflow) <> (w.role, w.may_overflow)
    end
    and (w.pool_id, w.workspace_id) > (%(after_pool)s, %(after_id)s)
order by 1, 2
limit %(count)s;
