-- assignments_of_pool --
-- Who uses it now, in the order of assignment.
select * from pool_assignments
where pool_id = %s and unassigned_at is null
order by assigned_at, workspace_id;
