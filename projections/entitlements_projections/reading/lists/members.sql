-- members --
-- Roles that subjects have now, in a unit or in one customer.
select
    organization_id, subject_id, role, nullif(unit_id, '') as unit_id, nullif(workspace_id, '') as customer_id, set_at, actor,
    unit_id as in_unit, workspace_id as in_customer
from organization_members
where role <> '';
