-- What pools have after stacking. Stored, not recomputed on read.

create table boolean_entitlements (
    pool_id text not null references resource_pools,
    resource_key text not null references resource_keys,
    held boolean not null,
    stacking text not null,
    provision_ids text[] not null,
    changed_at timestamptz not null,
    version bigint not null,
    primary key (pool_id, resource_key)
);

comment on table boolean_entitlements is 'Features of pools. One that was lost stays as a row that is not held.';
comment on column boolean_entitlements.pool_id is 'The pool.';
comment on column boolean_entitlements.resource_key is 'The feature.';
comment on column boolean_entitlements.held is 'Whether the pool has it.';
comment on column boolean_entitlements.stacking is 'The policy that combined the contributions.';
comment on column boolean_entitlements.provision_ids is 'The active provisions that contribute it, oldest first.';
comment on column boolean_entitlements.changed_at is 'Since when it is so.';
comment on column boolean_entitlements.version is 'Version of the pool at the last change.';

create table numeric_entitlements (
    pool_id text not null references resource_pools,
    resource_key text not null references resource_keys,
    entitlement_type text not null check (entitlement_type in ('limit', 'quota', 'credit')),
    held boolean not null,
    effective_limit bigint check (effective_limit >= 0),
    soft_limit bigint check (soft_limit >= 0),
    hard_limit bigint check (hard_limit >= 0),
    period text,
    stacking text not null,
    anchored boolean not null,
    anchor_at timestamptz,
    grace_for integer not null,
    credit_key text,
    override_id text not null,
    over_allocated boolean not null,
    changed_at timestamptz not null,
    counts_from bigint not null,
    version bigint not null,
    primary key (pool_id, resource_key)
);

comment on table numeric_entitlements is
    'Limits (a cap on what is held at once) and quotas (consumption per period) of pools. One that was lost stays as a row '
    'that is not held.';
comment on column numeric_entitlements.pool_id is 'The pool.';
comment on column numeric_entitlements.resource_key is 'What is limited.';
comment on column numeric_entitlements.entitlement_type is 'limit, quota or credit (a balance).';
comment on column numeric_entitlements.held is 'Whether the pool has it; if not, the limits are null.';
comment on column numeric_entitlements.effective_limit is 'Included quantity after stacking, in the smallest unit; null is unlimited.';
comment on column numeric_entitlements.soft_limit is 'Warn from here on; null: no warning.';
comment on column numeric_entitlements.hard_limit is 'Refuse strict usage above; null is unlimited.';
comment on column numeric_entitlements.period is 'When it resets: hour, day, week, month, year, lifetime or an ISO 8601 duration. Kept when the quota is lost: regained, it goes on counting.';
comment on column numeric_entitlements.stacking is 'The policy that combined the contributions.';
comment on column numeric_entitlements.anchored is 'True: the period is counted from the billing anchor.';
comment on column numeric_entitlements.anchor_at is 'Its own anchor since a reset by hand; null: none.';
comment on column numeric_entitlements.grace_for is 'Seconds for which late usage still counts in its own period.';
comment on column numeric_entitlements.credit_key is 'The credits that bear what is not included; null: none.';
comment on column numeric_entitlements.override_id is 'The override that set this; empty: stacking did.';
comment on column numeric_entitlements.over_allocated is 'True: more of a limit is held than the pool has now.';
comment on column numeric_entitlements.changed_at is 'Since when it is so.';
comment on column numeric_entitlements.counts_from is 'Usage totals of older versions of the pool do not count: another period began to count anew here.';
comment on column numeric_entitlements.version is 'Version of the pool at the last change.';

create table numeric_entitlement_contributions (
    pool_id text not null,
    resource_key text not null references resource_keys,
    provision_id text not null,
    position integer not null check (position >= 0),
    included_limit bigint,
    soft_limit bigint,
    hard_limit bigint,
    carried bigint not null,
    consumed bigint not null,
    kept boolean not null,
    version bigint not null,
    primary key (pool_id, resource_key, provision_id)
);

comment on table numeric_entitlement_contributions is 'What each active provision adds to a numeric entitlement.';
comment on column numeric_entitlement_contributions.pool_id is 'The pool.';
comment on column numeric_entitlement_contributions.resource_key is 'The limit or quota.';
comment on column numeric_entitlement_contributions.provision_id is 'The provision that contributes; empty: the default of the key. No reference, for that.';
comment on column numeric_entitlement_contributions.position is 'Place in burn order, from 0.';
comment on column numeric_entitlement_contributions.included_limit is 'Its included quantity, in the smallest unit, times the provision''s quantity where the rule is per unit; null is unlimited.';
comment on column numeric_entitlement_contributions.soft_limit is 'Its soft limit; null: none.';
comment on column numeric_entitlement_contributions.hard_limit is 'Its hard limit; null: as its included quantity.';
comment on column numeric_entitlement_contributions.carried is 'What its amount was raised by: carried over, or consumed before it came anew.';
comment on column numeric_entitlement_contributions.consumed is 'What was consumed of it when this was said.';
comment on column numeric_entitlement_contributions.kept is 'True: the provision has left within the period, and what was consumed of it stays.';
comment on column numeric_entitlement_contributions.version is 'Version of the pool at the change that said so.';
