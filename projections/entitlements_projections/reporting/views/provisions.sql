-- What was sold or given to each pool.
create or replace view entitlements_reporting.provisions as
select
    v.organization_id,
    v.pool_id,
    v.provision_id,
    v.status,
    v.source,
    v.source_id,
    v.billing_account_id,
    v.set_id,
    v.set_version,
    s.name as set_name,
    l.ladder,
    l.rung,
    v.quantity,
    v.billing_period,
    v.starts_at,
    v.ends_at,
    v.planned_ends_at,
    v.started_at,
    v.ended_at,
    v.end_reason,
    g.reason as grant_reason,
    v.resource_keys,
    v.status_reason,
    v.actor,
    v.scheduled_at
from entitlements.pool_provisions v
left join entitlements.entitlement_sets s on s.set_id = v.set_id and s.set_version = v.set_version
left join entitlements.pool_provision_ladders l on l.pool_id = v.pool_id and l.provision_id = v.provision_id
left join entitlements.grants g on g.pool_id = v.pool_id and g.grant_id = v.provision_id;

comment on view entitlements_reporting.provisions is 'Subscriptions, purchases and grants of each pool, of all times. For those of today take active_provisions.';
comment on column entitlements_reporting.provisions.organization_id is 'The organization that owns the pool.';
comment on column entitlements_reporting.provisions.pool_id is 'The pool. Its customers are in customer_pools.';
comment on column entitlements_reporting.provisions.provision_id is 'The provision; unique in its pool. Of a grant its grant_id.';
comment on column entitlements_reporting.provisions.status is 'scheduled, active, suspended or ended.';
comment on column entitlements_reporting.provisions.source is 'subscription, purchase or grant.';
comment on column entitlements_reporting.provisions.source_id is 'Its id in the billing system, or the grant.';
comment on column entitlements_reporting.provisions.billing_account_id is 'Who pays; null: the billing account of the pool, or nobody for a grant.';
comment on column entitlements_reporting.provisions.set_id is 'The entitlement set (the plan) that was sold.';
comment on column entitlements_reporting.provisions.set_version is 'Version of the set. Its rules are in plan_rules.';
comment on column entitlements_reporting.provisions.set_name is 'Name of the set for people; null: this version was never defined here.';
comment on column entitlements_reporting.provisions.ladder is 'The plan ladder that it occupies; null: none.';
comment on column entitlements_reporting.provisions.rung is 'Place on the ladder, higher is more; null: none.';
comment on column entitlements_reporting.provisions.quantity is 'How many times it was sold, such as the number of seats.';
comment on column entitlements_reporting.provisions.billing_period is 'How often it is billed, such as month; null: not stated.';
comment on column entitlements_reporting.provisions.starts_at is 'When it is to start.';
comment on column entitlements_reporting.provisions.ends_at is 'When it is to end, exclusive; null: open end.';
comment on column entitlements_reporting.provisions.planned_ends_at is 'The end that was agreed at first: ends_at is earlier where it was cancelled; null: open end.';
comment on column entitlements_reporting.provisions.started_at is 'When it did start; null: not yet.';
comment on column entitlements_reporting.provisions.ended_at is 'When it did end; null: not yet.';
comment on column entitlements_reporting.provisions.end_reason is 'expired, ended, revoked, replaced (by another plan) or pool_closed; null: it has not ended.';
comment on column entitlements_reporting.provisions.grant_reason is 'Why it was given; null: it is no grant.';
comment on column entitlements_reporting.provisions.resource_keys is 'The resource keys that its rules include.';
comment on column entitlements_reporting.provisions.status_reason is 'Reason of the last suspension, resumption or change of its end; empty: none was given.';
comment on column entitlements_reporting.provisions.actor is 'Who changed it last.';
comment on column entitlements_reporting.provisions.scheduled_at is 'When it was added to the pool.';
