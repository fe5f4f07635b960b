-- role_of_member --
-- The highest role of a subject in a workspace: its own there, or one in a unit that the workspace lies in, at any height.
with recursive upwards (organization_id, unit_id) as (
    select organization_id, unit_id from organization_workspaces
    where organization_id = %(organization_id)s and workspace_id = %(workspace_id)s and unit_id <> ''
    union
    select u.organization_id, u.parent_unit_id
    from upwards join organization_units u using (organization_id, unit_id)
    where u.parent_unit_id <> '' and u.removed_at is null
)
select m.role
from organization_members m
where m.organization_id = %(organization_id)s and m.subject_id = %(subject_id)s and m.role <> ''
    and (
        m.workspace_id = %(workspace_id)s
        or exists (select from upwards u where (u.organization_id, u.unit_id) = (m.organization_id, m.unit_id))
    )
order by array_position(array['admin', 'editor', 'viewer'], m.role)
limit 1;
