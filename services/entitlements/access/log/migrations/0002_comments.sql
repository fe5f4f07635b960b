-- What each column holds.
comment on table access_log is 'Decisions about access: who asked for what, and the answer. A day is a partition, dropped when its retention ends.';
comment on column access_log.organization_id is 'The organization of the customer.';
comment on column access_log.occurred_at is 'When it was decided.';
comment on column access_log.decision_id is 'Id of the decision: the same for every repeat of a report, which is kept once.';
comment on column access_log.customer_id is 'The customer, by its id within the organization; empty: none was named.';
comment on column access_log.resource_key is 'The resource key in question.';
comment on column access_log.entitlement_type is 'boolean, limit, quota or credit; empty: the customer has nothing of this key.';
comment on column access_log.quantity is 'The quantity in question, in the smallest unit of the key; null: whether there is access at all.';
comment on column access_log.subject_id is 'The user within the customer; empty: none was named.';
comment on column access_log.action is 'What the user was about to do; empty: not stated.';
comment on column access_log.result is 'allowed or denied.';
comment on column access_log.reason is 'The stable reason code, such as quota_exceeded.';
comment on column access_log.request_id is 'Id of the request, as the caller sent it; empty: none.';
comment on column access_log.ip_address is 'IP address that the caller passed on for its user; empty: none.';
comment on column access_log.user_agent is 'User agent that the caller passed on for its user; empty: none.';
comment on column access_log.resource_type is 'Type of the object in question, such as report; empty: not stated.';
comment on column access_log.resource_id is 'The object in question; empty: not stated.';
comment on column access_log.policy_version is 'Version of the access policies of the organization by which it was decided.';
comment on column access_log.as_of is 'Up to where in the ledger the answer was current, as partition:offset; empty: not known.';
comment on column access_log.lag_ms is 'How far the answer was behind the ledger, in milliseconds; null: not known.';
comment on column access_log.source is 'Where it was decided: SERVICE, or at the caller LOCAL, CACHED, STALE, LEASE or FALLBACK.';
comment on column access_log.count is 'How many decisions the row stands for: more than one where decisions are sampled.';
comment on column access_log.asked_by is 'The API key or token of the request.';
comment on column access_log.asked_by_organization is 'The organization of that key or token: another than organization_id where it acted for that one.';

comment on table access_log_positions is 'How far the topic has been read.';
comment on column access_log_positions.partition is 'Partition of the topic.';
comment on column access_log_positions.next_offset is 'The first offset of the partition that is not in access_log yet.';
