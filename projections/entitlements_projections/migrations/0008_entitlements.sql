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

comment on table boolean_entitlements is 'Features of pools. A feature the pool no longer has stays as a row with held = false.';
comment on column boolean_entitlements.pool_id is 'The pool.';
comment on column boolean_entitlements.resource_key is 'The resource key of the feature.';
comment on column boolean_entitlements.held is 'Whether the pool has it.';
comment on column boolean_entitlements.stacking is 'How the contributions were combined.';
comment on column boolean_entitlements.provision_ids is 'Active provisions that contribute it, oldest first.';
comment on column boolean_entitlements.changed_at is 'When it last changed.';
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
    'Limits (a maximum held at once), quotas (consumption per period) and credits (balances) of pools. One the pool no longer has '
    'stays as a row with held = false.';
comment on column numeric_entitlements.pool_id is 'The pool.';
comment on column numeric_entitlements.resource_key is 'The resource key.';
comment on column numeric_entitlements.entitlement_type is 'limit, quota or credit (a balance).';
comment on column numeric_entitlements.held is 'Whether the pool has it; if not, the limits are null.';
comment on column numeric_entitlements.effective_limit is 'Included quantity after stacking, in the smallest unit; null: unlimited.';
comment on column numeric_entitlements.soft_limit is 'Warning threshold; null: none.';
comment on column numeric_entitlements.hard_limit is 'Strict usage above this is refused; null: never.';
comment on column numeric_entitlements.period is 'How often it resets: hour, day, week, month, year, lifetime or an ISO 8601 duration. Kept if the pool loses the quota, so that counting continues when it has it again.';
comment on column numeric_entitlements.stacking is 'How the contributions were combined.';
comment on column numeric_entitlements.anchored is 'True: periods start from the billing anchor.';
comment on column numeric_entitlements.anchor_at is 'Its own anchor since a manual reset; null: none.';
comment on column numeric_entitlements.grace_for is 'Grace in seconds: how long late usage still counts in its own period.';
comment on column numeric_entitlements.credit_key is 'The credit balance that pays for usage above the included amount; null: none.';
comment on column numeric_entitlements.override_id is 'The override that sets this value; empty: it comes from stacking.';
comment on column numeric_entitlements.over_allocated is 'True: more of a limit is allocated than the pool has now.';
comment on column numeric_entitlements.changed_at is 'When it last changed.';
comment on column numeric_entitlements.counts_from is 'Version of the pool from which usage totals count; older ones belong to another period.';
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
comment on column numeric_entitlement_contributions.provision_id is 'The provision that contributes; empty: the default of the key (so there is no foreign key).';
comment on column numeric_entitlement_contributions.position is 'Index in burn order, from 0.';
comment on column numeric_entitlement_contributions.included_limit is 'Included quantity in the smallest unit, multiplied by the provision''s quantity if the rule is per unit; null: unlimited.';
comment on column numeric_entitlement_contributions.soft_limit is 'Warning threshold; null: none.';
comment on column numeric_entitlement_contributions.hard_limit is 'Hard limit; null: the same as the included quantity.';
comment on column numeric_entitlement_contributions.carried is 'Quantity added to its amount: rolled over, or consumed before the last refill.';
comment on column numeric_entitlement_contributions.consumed is 'Consumed at the time of the last change of this row, in the smallest unit.';
comment on column numeric_entitlement_contributions.kept is 'True: the provision left within the period, and what was consumed of it stays counted.';
comment on column numeric_entitlement_contributions.version is 'Version of the pool at that change.';
