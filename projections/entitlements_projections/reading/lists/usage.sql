-- usage --
-- Lines of recorded usage, each with who bears it.
select
    organization_id, pool_id, occurred_at, recorded_at, resource_key, quantity, overage, mode, late,
    workspace_id as customer_id, subject_id, usage_id, bearer, provision_id, charge, billing_account_id, reservation_id,
    version as pool_version, line, part
from usage_events;
