-- customers_placed --
-- Customers in a unit and all units below it. Said so that they are read in their order, and not collected and sorted.
select organization_id, workspace_id
from organization_workspaces
where (unit_id in (select units_within(%(organization_id)s, {unit}))) is true;
