-- What is active today.
create or replace view entitlements_reporting.active_provisions as
select
    organization_id,
    pool_id,
    provision_id,
    status,
    source,
    source_id,
    billing_account_id,
    set_id,
    set_version,
    set_name,
    ladder,
    rung,
    quantity,
    billing_period,
    starts_at,
    ends_at,
    planned_ends_at,
    started_at,
    ended_at,
    end_reason,
    grant_reason,
    resource_keys,
    status_reason,
    actor,
    scheduled_at
from entitlements_reporting.provisions
where status = 'active';

comment on view entitlements_reporting.active_provisions is 'Subscriptions, purchases and grants that are active now. Suspended ones are in provisions only.';
comment on column entitlements_reporting.active_provisions.organization_id is 'The organization that owns the pool.';
comment on column entitlements_reporting.active_provisions.pool_id is 'The pool. Its customers are in customer_pools.';
comment on column entitlements_reporting.active_provisions.provision_id is 'The provision; unique in its pool. Of a grant its grant_id.';
comment on column entitlements_reporting.active_provisions.status is 'active.';
comment on column entitlements_reporting.active_provisions.source is 'subscription, purchase or grant.';
comment on column entitlements_reporting.active_provisions.source_id is 'Its id in the billing system, or the grant.';
comment on column entitlements_reporting.active_provisions.billing_account_id is 'Who pays; null: the billing account of the pool, or nobody for a grant.';
comment on column entitlements_reporting.active_provisions.set_id is 'The entitlement set (the plan) that was sold.';
comment on column entitlements_reporting.active_provisions.set_version is 'Version of the set. Its rules are in plan_rules.';
comment on column entitlements_reporting.active_provisions.set_name is 'Name of the set for people; null: this version was never defined here.';
comment on column entitlements_reporting.active_provisions.ladder is 'The plan ladder that it occupies; null: none.';
comment on column entitlements_reporting.active_provisions.rung is 'Place on the ladder, higher is more; null: none.';
comment on column entitlements_reporting.active_provisions.quantity is 'How many times it was sold, such as the number of seats.';
comment on column entitlements_reporting.active_provisions.billing_period is 'How often it is billed, such as month; null: not stated.';
comment on column entitlements_reporting.active_provisions.starts_at is 'When it is to start.';
comment on column entitlements_reporting.active_provisions.ends_at is 'When it is to end, exclusive; null: open end.';
comment on column entitlements_reporting.active_provisions.planned_ends_at is 'The end that was agreed at first: ends_at is earlier where it was cancelled; null: open end.';
comment on column entitlements_reporting.active_provisions.started_at is 'When it did start; null: not yet.';
comment on column entitlements_reporting.active_provisions.ended_at is 'When it did end; null: not yet.';
comment on column entitlements_reporting.active_provisions.end_reason is 'expired, ended, revoked, replaced (by another plan) or pool_closed; null: it has not ended.';
comment on column entitlements_reporting.active_provisions.grant_reason is 'Why it was given; null: it is no grant.';
comment on column entitlements_reporting.active_provisions.resource_keys is 'The resource keys that its rules include.';
comment on column entitlements_reporting.active_provisions.status_reason is 'Reason of the last suspension, resumption or change of its end; empty: none was given.';
comment on column entitlements_reporting.active_provisions.actor is 'Who changed it last.';
comment on column entitlements_reporting.active_provisions.scheduled_at is 'When it was added to the pool.';
