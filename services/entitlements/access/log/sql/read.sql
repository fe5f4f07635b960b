-- read --
-- The newest decisions of one organization that fit, from a place on backwards.
select
    decision_id, occurred_at, customer_id, resource_key, entitlement_type, quantity, subject_id, action, result, reason, request_id,
    ip_address, user_agent, resource_type, resource_id, policy_version, as_of, lag_ms, source, count, asked_by,
    asked_by_organization
from access_log
where
    organization_id = %(organization_id)s
    and occurred_at >= %(since)s
    and (occurred_at, decision_id) < (%(until)s, %(before)s)
    and (%(customer_id)s::text is null or customer_id = %(customer_id)s)
    and (%(resource_key)s::text is null or resource_key = %(resource_key)s)
    and (%(result)s::text is null or result = %(result)s)
order by occurred_at desc, decision_id desc
limit %(at_most)s;
