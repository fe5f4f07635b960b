-- customers_in_unit --
-- Which of the workspaces lie in a unit of an organization, or in one below it.
with recursive below (unit_id) as (
    select unit_id from organization_units
    where organization_id = %(organization_id)s and unit_id = %(unit_id)s and removed_at is null
    union
    select u.unit_id
    from below b join organization_units u on u.organization_id = %(organization_id)s and u.parent_unit_id = b.unit_id
    where u.removed_at is null
)
select w.workspace_id
from organization_workspaces w join below using (unit_id)
where w.organization_id = %(organization_id)s and w.workspace_id = any(%(customer_ids)s::text[]);
