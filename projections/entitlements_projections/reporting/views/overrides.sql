-- Values that administrators set by hand.
create or replace view entitlements_reporting.overrides as
select
    p.organization_id,
    o.pool_id,
    nullif(o.workspace_id, '') as customer_id,
    o.override_id,
    o.resource_key,
    k.name,
    k.unit,
    coalesce(k.scale, 0) as scale,
    o.status,
    o.allowed,
    o.amount,
    entitlements_reporting.decimal_of(o.amount, k.scale) as amount_decimal,
    o.reason,
    o.actor,
    o.set_at,
    o.expires_at,
    o.over_at,
    nullif(o.over_reason, '') as over_reason,
    nullif(o.over_actor, '') as over_actor
from entitlements.pool_overrides o
join entitlements.resource_pools p on p.pool_id = o.pool_id
join entitlements.resource_keys k on k.resource_key = o.resource_key;

comment on view entitlements_reporting.overrides is 'Overrides: what administrators set by hand for a pool or for one customer. They outrank plans.';
comment on column entitlements_reporting.overrides.organization_id is 'The organization that owns the pool. Customer ids are unique within an organization only.';
comment on column entitlements_reporting.overrides.pool_id is 'The pool.';
comment on column entitlements_reporting.overrides.customer_id is 'The customer that it is for; null: the whole pool.';
comment on column entitlements_reporting.overrides.override_id is 'The override; unique in its pool.';
comment on column entitlements_reporting.overrides.resource_key is 'The resource key.';
comment on column entitlements_reporting.overrides.name is 'Name of the key for people; null: not defined yet.';
comment on column entitlements_reporting.overrides.unit is 'Unit of the quantities of the key; empty for features.';
comment on column entitlements_reporting.overrides.scale is 'How many decimals people see. Columns without _decimal are integers in the smallest unit.';
comment on column entitlements_reporting.overrides.status is 'set, cleared or expired. One that is set may have passed expires_at moments ago.';
comment on column entitlements_reporting.overrides.allowed is 'False: the key is taken away.';
comment on column entitlements_reporting.overrides.amount is 'The amount; null: unlimited, or a feature.';
comment on column entitlements_reporting.overrides.amount_decimal is 'The same with decimals.';
comment on column entitlements_reporting.overrides.reason is 'Why it was set.';
comment on column entitlements_reporting.overrides.actor is 'Who set it.';
comment on column entitlements_reporting.overrides.set_at is 'When it was set.';
comment on column entitlements_reporting.overrides.expires_at is 'When it ends by itself; null: when it is cleared.';
comment on column entitlements_reporting.overrides.over_at is 'When it ended; null: it is set.';
comment on column entitlements_reporting.overrides.over_reason is 'Why it was cleared; null: it was not.';
comment on column entitlements_reporting.overrides.over_actor is 'Who cleared it; null: nobody.';
