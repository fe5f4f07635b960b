-- What each provision adds to what a pool has of a key: where a number comes from.
create or replace view entitlements_reporting.contributions as
select
    p.organization_id,
    c.pool_id,
    c.resource_key,
    k.name,
    k.unit,
    coalesce(k.scale, 0) as scale,
    c.position,
    nullif(c.provision_id, '') as provision_id,
    v.source,
    v.source_id,
    v.set_id,
    v.set_version,
    v.status as provision_status,
    c.included_limit as included,
    entitlements_reporting.decimal_of(c.included_limit, k.scale) as included_decimal,
    c.carried,
    entitlements_reporting.decimal_of(c.carried, k.scale) as carried_decimal,
    c.consumed,
    entitlements_reporting.decimal_of(c.consumed, k.scale) as consumed_decimal,
    c.recurs,
    c.kept,
    v.ends_at
from (
    select pool_id, resource_key, position, provision_id, included_limit, carried, consumed, recurs, kept
    from entitlements.numeric_entitlement_contributions
    union all
    select b.pool_id, b.resource_key, p.position::integer - 1, p.provision_id, null, null, null, null, false
    from entitlements.boolean_entitlements b
    cross join lateral unnest(b.provision_ids) with ordinality as p (provision_id, position)
    where b.held
) c
join entitlements.resource_pools p on p.pool_id = c.pool_id
join entitlements.resource_keys k on k.resource_key = c.resource_key
left join entitlements.pool_provisions v on v.pool_id = c.pool_id and v.provision_id = c.provision_id;

comment on view entitlements_reporting.contributions is 'What each provision contributes to each resource key of a pool, in burn order.';
comment on column entitlements_reporting.contributions.organization_id is 'The organization that owns the pool.';
comment on column entitlements_reporting.contributions.pool_id is 'The pool.';
comment on column entitlements_reporting.contributions.resource_key is 'The resource key.';
comment on column entitlements_reporting.contributions.name is 'Name of the key for people; null: not defined yet.';
comment on column entitlements_reporting.contributions.unit is 'Unit of the quantities of the key; empty for features.';
comment on column entitlements_reporting.contributions.scale is 'How many decimals people see. Columns without _decimal are integers in the smallest unit.';
comment on column entitlements_reporting.contributions.position is 'Place in burn order, from 0: consumed first.';
comment on column entitlements_reporting.contributions.provision_id is 'The provision that contributes; null: the default of the key.';
comment on column entitlements_reporting.contributions.source is 'subscription, purchase or grant; null: the default of the key.';
comment on column entitlements_reporting.contributions.source_id is 'Its id in the billing system, or the grant.';
comment on column entitlements_reporting.contributions.set_id is 'The entitlement set of the provision.';
comment on column entitlements_reporting.contributions.set_version is 'Version of the set.';
comment on column entitlements_reporting.contributions.provision_status is 'scheduled, active, suspended or ended.';
comment on column entitlements_reporting.contributions.included is 'Included quantity; null: unlimited, or a feature.';
comment on column entitlements_reporting.contributions.included_decimal is 'The same with decimals.';
comment on column entitlements_reporting.contributions.carried is 'What rolled over, or was consumed before it was refilled: included on top.';
comment on column entitlements_reporting.contributions.carried_decimal is 'The same with decimals.';
comment on column entitlements_reporting.contributions.consumed is 'Consumed of it at the last change of the contributions; what the pool consumed until now is in pool_entitlements.';
comment on column entitlements_reporting.contributions.consumed_decimal is 'The same with decimals.';
comment on column entitlements_reporting.contributions.recurs is 'How often it is refilled within a longer period; null: it is not.';
comment on column entitlements_reporting.contributions.kept is 'True: the provision has left within the period, and its consumption stays counted.';
comment on column entitlements_reporting.contributions.ends_at is 'When the provision is to end, exclusive; null: open end.';
