-- read --
-- Decisions of organizations.
select
    organization_id, decision_id, occurred_at, customer_id, resource_key, entitlement_type, quantity, subject_id, action, result,
    reason, request_id, ip_address, user_agent, resource_type, resource_id, policy_version, as_of, lag_ms, source, count, asked_by,
    asked_by_organization
from access_log;
