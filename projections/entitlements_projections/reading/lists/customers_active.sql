-- customers_active --
-- Customers that may use a pool now.
select distinct organization_id, workspace_id from pool_assignments where unassigned_at is null;
