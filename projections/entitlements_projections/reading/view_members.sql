-- view_members --
-- Every member of workspaces with its highest role, its own or one in a unit above; at most so many rows.
with recursive upwards (workspace_id, organization_id, unit_id) as (
    select workspace_id, organization_id, unit_id from organization_workspaces
    where workspace_id = any(%(workspace_ids)s::text[]) and organization_id = %(organization_id)s and unit_id <> ''
    union
    select w.workspace_id, u.organization_id, u.parent_unit_id
    from upwards w join organization_units u using (organization_id, unit_id)
    where u.parent_unit_id <> '' and u.removed_at is null
)
select
    workspace_id, subject_id,
    (array['admin', 'editor', 'viewer'])[min(array_position(array['admin', 'editor', 'viewer'], role))] as role
from (
    select m.workspace_id, m.subject_id, m.role from organization_members m
    where m.workspace_id = any(%(workspace_ids)s::text[]) and m.organization_id = %(organization_id)s and m.role <> ''
    union all
    select u.workspace_id, m.subject_id, m.role
    from upwards u join organization_members m using (organization_id, unit_id)
    where m.role <> ''
) found
group by workspace_id, subject_id
order by workspace_id, subject_id
limit %(count)s;
