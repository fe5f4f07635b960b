-- copy --
-- The columns in the order of entries.
copy staged_access (
    organization_id, occurred_at, decision_id, customer_id, resource_key, entitlement_type, quantity, subject_id, action, result,
    reason, request_id, ip_address, user_agent, resource_type, resource_id, policy_version, as_of, lag_ms, source, count, asked_by,
    asked_by_organization
) from stdin (format binary);
