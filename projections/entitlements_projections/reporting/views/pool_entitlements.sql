-- As customer_entitlements, a row for each pool: nothing is counted twice when customers share a pool.
create or replace view entitlements_reporting.pool_entitlements as
select
    p.organization_id,
    e.pool_id,
    p.name as pool_name,
    p.billing_account_id,
    e.pool_status,
    (select count(*) from entitlements.pool_assignments a where a.pool_id = e.pool_id and a.unassigned_at is null) as customers,
    e.resource_key,
    k.name,
    k.unit,
    coalesce(k.scale, 0) as scale,
    entitlements_reporting.status_of(
        e.held, entitlements.is_paused(e.pool_id, e.resource_key), entitlements.is_available(k.constraints, e.at),
        e.entitlement_type, e.owed, e.remaining, e.consumed, e.soft_limit
    ) as status,
    e.entitlement_type,
    e.period,
    e.resets_at,
    case when e.held or e.entitlement_type = 'boolean' then e.effective_limit else 0 end as included,
    entitlements_reporting.decimal_of(case when e.held or e.entitlement_type = 'boolean' then e.effective_limit else 0 end, k.scale) as included_decimal,
    e.consumed,
    entitlements_reporting.decimal_of(e.consumed, k.scale) as consumed_decimal,
    e.reserved,
    entitlements_reporting.decimal_of(e.reserved, k.scale) as reserved_decimal,
    case when e.held or e.entitlement_type = 'boolean' then e.remaining else 0 end as remaining,
    entitlements_reporting.decimal_of(case when e.held or e.entitlement_type = 'boolean' then e.remaining else 0 end, k.scale) as remaining_decimal,
    e.owed,
    entitlements_reporting.decimal_of(e.owed, k.scale) as owed_decimal,
    e.elsewhere as paid,
    entitlements_reporting.decimal_of(e.elsewhere, k.scale) as paid_decimal,
    coalesce(d.enabled, false) as on_demand,
    d.currency,
    d.spent,
    d.spending_cap,
    e.credit_key,
    nullif(e.override_id, '') as override_id,
    e.provision_ids,
    e.warned_at,
    e.exceeded_at,
    e.changed_at,
    e.at as as_of
from entitlements.pool_entitlements(now()) e
join entitlements.resource_pools p using (pool_id)
join entitlements.resource_keys k using (resource_key)
left join entitlements.pool_ondemand_config d on d.pool_id = e.pool_id and d.resource_key = e.resource_key
where e.held or e.consumed > 0 or e.owed > 0 or entitlements.is_paused(e.pool_id, e.resource_key);

comment on view entitlements_reporting.pool_entitlements is 'What each pool has of each resource key now, and how much is left. Quantities may be summed over pools.';
comment on column entitlements_reporting.pool_entitlements.organization_id is 'The organization that owns the pool.';
comment on column entitlements_reporting.pool_entitlements.pool_id is 'The pool.';
comment on column entitlements_reporting.pool_entitlements.pool_name is 'Name of the pool for people.';
comment on column entitlements_reporting.pool_entitlements.billing_account_id is 'Who pays, unless a provision names another payer; null: nobody is named.';
comment on column entitlements_reporting.pool_entitlements.pool_status is 'open, suspended or closed.';
comment on column entitlements_reporting.pool_entitlements.customers is 'How many customers are assigned to the pool now.';
comment on column entitlements_reporting.pool_entitlements.resource_key is 'The resource key, such as api_calls.';
comment on column entitlements_reporting.pool_entitlements.name is 'Name of the key for people; null: not defined yet.';
comment on column entitlements_reporting.pool_entitlements.unit is 'Unit of the quantities of the key; empty for features.';
comment on column entitlements_reporting.pool_entitlements.scale is 'How many decimals people see. Columns without _decimal are integers in the smallest unit.';
comment on column entitlements_reporting.pool_entitlements.status is 'As customer_entitlements.status.';
comment on column entitlements_reporting.pool_entitlements.entitlement_type is 'boolean, limit, quota or credit.';
comment on column entitlements_reporting.pool_entitlements.period is 'When a quota resets, such as day or month; null: it does not.';
comment on column entitlements_reporting.pool_entitlements.resets_at is 'End of the present period; null: nothing was used in it yet, or there is no reset.';
comment on column entitlements_reporting.pool_entitlements.included is 'Included quantity, after stacking and overrides; null: unlimited, or a feature.';
comment on column entitlements_reporting.pool_entitlements.included_decimal is 'The same with decimals.';
comment on column entitlements_reporting.pool_entitlements.consumed is 'Used in the present period, or held of a limit; null: a feature.';
comment on column entitlements_reporting.pool_entitlements.consumed_decimal is 'The same with decimals.';
comment on column entitlements_reporting.pool_entitlements.reserved is 'Held by reservations and leases.';
comment on column entitlements_reporting.pool_entitlements.reserved_decimal is 'The same with decimals.';
comment on column entitlements_reporting.pool_entitlements.remaining is 'Left of what is included; null: unlimited, or a feature.';
comment on column entitlements_reporting.pool_entitlements.remaining_decimal is 'The same with decimals.';
comment on column entitlements_reporting.pool_entitlements.owed is 'Overage that is neither paid nor forgiven, of this period and preserved from earlier ones.';
comment on column entitlements_reporting.pool_entitlements.owed_decimal is 'The same with decimals.';
comment on column entitlements_reporting.pool_entitlements.paid is 'The part of consumed that was charged to credits or on demand.';
comment on column entitlements_reporting.pool_entitlements.paid_decimal is 'The same with decimals.';
comment on column entitlements_reporting.pool_entitlements.on_demand is 'Whether usage above what is included is charged to a payer.';
comment on column entitlements_reporting.pool_entitlements.currency is 'ISO 4217 code of spent and spending_cap; empty or null: none.';
comment on column entitlements_reporting.pool_entitlements.spent is 'On-demand spending in the present period, in minor units of the currency; null: on-demand was never configured.';
comment on column entitlements_reporting.pool_entitlements.spending_cap is 'The most that may be spent on demand in a period, in minor units; null: no cap.';
comment on column entitlements_reporting.pool_entitlements.credit_key is 'The resource key of the credits that pay for usage above what is included; null: none.';
comment on column entitlements_reporting.pool_entitlements.override_id is 'The override of the pool that decides; null: none.';
comment on column entitlements_reporting.pool_entitlements.provision_ids is 'The provisions that contribute, in burn order.';
comment on column entitlements_reporting.pool_entitlements.warned_at is 'When the soft limit was reached in the present period; null: it was not.';
comment on column entitlements_reporting.pool_entitlements.exceeded_at is 'When usage was first refused or above the limit in the present period; null: it was not.';
comment on column entitlements_reporting.pool_entitlements.changed_at is 'When the included quantity changed last.';
comment on column entitlements_reporting.pool_entitlements.as_of is 'The instant of this row: now, or the clock of a pool that is imported (backfill).';
