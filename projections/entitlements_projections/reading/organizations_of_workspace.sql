-- organizations_of_workspace --
-- The organizations that have a workspace of this id: more than one, where their customers happen to have the same id.
select distinct organization_id from pool_assignments
where workspace_id = %(workspace_id)s and unassigned_at is null
order by organization_id;
