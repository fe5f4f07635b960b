-- Who asked for access, and what the answer was. Made where the access log has its tables.
create or replace view entitlements_reporting.access_log as
select
    a.organization_id,
    a.occurred_at,
    nullif(a.customer_id, '') as customer_id,
    nullif(a.subject_id, '') as subject_id,
    nullif(a.resource_key, '') as resource_key,
    k.name,
    k.unit,
    coalesce(k.scale, 0) as scale,
    a.quantity,
    entitlements_reporting.decimal_of(a.quantity, k.scale) as quantity_decimal,
    nullif(a.action, '') as action,
    a.result,
    a.reason,
    a.count as decisions,
    a.source,
    a.policy_version,
    nullif(a.as_of, '') as as_of,
    a.lag_ms,
    nullif(a.request_id, '') as request_id,
    nullif(a.ip_address, '') as ip_address,
    nullif(a.user_agent, '') as user_agent,
    nullif(a.resource_type, '') as resource_type,
    nullif(a.resource_id, '') as resource_id,
    a.asked_by,
    a.asked_by_organization,
    a.decision_id
from entitlements_access_log.access_log a
left join entitlements.resource_keys k on k.resource_key = a.resource_key;

comment on view entitlements_reporting.access_log is 'Logged decisions about access. Filter by occurred_at: the table has a partition for each day. Days are dropped when their retention ends.';
comment on column entitlements_reporting.access_log.organization_id is 'The organization of the customer.';
comment on column entitlements_reporting.access_log.occurred_at is 'When it was decided.';
comment on column entitlements_reporting.access_log.customer_id is 'The customer; null: none was named.';
comment on column entitlements_reporting.access_log.subject_id is 'The user within the customer; null: none was named.';
comment on column entitlements_reporting.access_log.resource_key is 'The resource key; null: none was named.';
comment on column entitlements_reporting.access_log.name is 'Name of the key for people; null: no such key is defined.';
comment on column entitlements_reporting.access_log.unit is 'Unit of the quantities of the key; null: no such key is defined.';
comment on column entitlements_reporting.access_log.scale is 'How many decimals people see. Columns without _decimal are integers in the smallest unit.';
comment on column entitlements_reporting.access_log.quantity is 'The quantity in question; null: whether there is access at all.';
comment on column entitlements_reporting.access_log.quantity_decimal is 'The same with decimals.';
comment on column entitlements_reporting.access_log.action is 'What the user was about to do; null: not stated.';
comment on column entitlements_reporting.access_log.result is 'allowed or denied.';
comment on column entitlements_reporting.access_log.reason is 'The reason code, such as quota_exceeded.';
comment on column entitlements_reporting.access_log.decisions is 'How many decisions the row stands for.';
comment on column entitlements_reporting.access_log.source is 'Where it was decided: SERVICE, or at the caller LOCAL, CACHED, STALE, LEASE or FALLBACK.';
comment on column entitlements_reporting.access_log.policy_version is 'Version of the access policies of the organization by which it was decided.';
comment on column entitlements_reporting.access_log.as_of is 'Up to where in the ledger the answer was current; null: not known.';
comment on column entitlements_reporting.access_log.lag_ms is 'How far the answer was behind the ledger, in milliseconds; null: not known.';
comment on column entitlements_reporting.access_log.request_id is 'Id of the request, as the caller sent it; null: none.';
comment on column entitlements_reporting.access_log.ip_address is 'IP address that the caller passed on for its user; null: none.';
comment on column entitlements_reporting.access_log.user_agent is 'User agent that the caller passed on for its user; null: none.';
comment on column entitlements_reporting.access_log.resource_type is 'Type of the object in question, such as report; null: not stated.';
comment on column entitlements_reporting.access_log.resource_id is 'The object in question; null: not stated.';
comment on column entitlements_reporting.access_log.asked_by is 'The API key or token that was used for the request.';
comment on column entitlements_reporting.access_log.asked_by_organization is 'The organization of that key or token: another than organization_id where it acted for that one.';
comment on column entitlements_reporting.access_log.decision_id is 'Id of the decision: the same for every repeat of a report.';
