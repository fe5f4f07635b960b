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
    entitlement_type text not null check (entitlement_type in ('limit', 'quota')),
    held boolean not null,
    effective_limit bigint check (effective_limit >= 0),
    soft_limit bigint check (soft_limit >= 0),
    hard_limit bigint check (hard_limit >= 0),
    period text,
    stacking text not null,
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
comment on column numeric_entitlements.entitlement_type is 'limit or quota.';
comment on column numeric_entitlements.held is 'Whether the pool has it; if not, the limits are null.';
comment on column numeric_entitlements.effective_limit is 'Included quantity after stacking, in the smallest unit; null is unlimited.';
comment on column numeric_entitlements.soft_limit is 'Warn from here on; null: no warning.';
comment on column numeric_entitlements.hard_limit is 'Refuse strict usage above; null is unlimited.';
comment on column numeric_entitlements.period is 'When a quota resets: hour, day or month in UTC. Kept when the quota is lost: regained, it goes on counting.';
comment on column numeric_entitlements.stacking is 'The policy that combined the contributions.';
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
    version bigint not null,
    primary key (pool_id, resource_key, provision_id),
    foreign key (pool_id, provision_id) references pool_provisions
);

comment on table numeric_entitlement_contributions is 'What each active provision adds to a numeric entitlement.';
comment on column numeric_entitlement_contributions.pool_id is 'The pool.';
comment on column numeric_entitlement_contributions.resource_key is 'The limit or quota.';
comment on column numeric_entitlement_contributions.provision_id is 'The provision that contributes.';
comment on column numeric_entitlement_contributions.position is 'Place among the contributions, oldest first, from 0.';
comment on column numeric_entitlement_contributions.included_limit is 'Its included quantity, in the smallest unit, times the provision''s quantity where the rule is per unit; null is unlimited.';
comment on column numeric_entitlement_contributions.soft_limit is 'Its soft limit; null: none.';
comment on column numeric_entitlement_contributions.hard_limit is 'Its hard limit; null: as its included quantity.';
comment on column numeric_entitlement_contributions.version is 'Version of the pool at the change that said so.';
