-- The view to take first: what each customer has of each key now, and how much of it is left.
create or replace view entitlements_reporting.customer_entitlements as
select
    e.organization_id,
    e.workspace_id as customer_id,
    e.resource_key,
    k.name,
    k.unit,
    coalesce(k.scale, 0) as scale,
    entitlements_reporting.status_of(
        e.held, entitlements.is_paused(e.pool_id, e.resource_key), entitlements.is_available(k.constraints, e.at),
        e.entitlement_type, e.owed, e.remaining, e.consumed, e.soft_limit
    ) as status,
    e.entitlement_type,
    e.pool_id,
    e.role,
    e.pool_order,
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
    e.soft_limit,
    entitlements_reporting.decimal_of(e.soft_limit, k.scale) as soft_limit_decimal,
    case when e.held or e.entitlement_type = 'boolean' then e.hard_limit else 0 end as hard_limit,
    entitlements_reporting.decimal_of(case when e.held or e.entitlement_type = 'boolean' then e.hard_limit else 0 end, k.scale) as hard_limit_decimal,
    e.cap,
    entitlements_reporting.decimal_of(e.cap, k.scale) as cap_decimal,
    e.cap_drawn,
    entitlements_reporting.decimal_of(e.cap_drawn, k.scale) as cap_drawn_decimal,
    e.cap_period,
    e.on_demand,
    e.currency,
    e.spent,
    e.spending_cap,
    e.credit_key,
    coalesce(e.workspace_override_id, e.pool_override_id) as override_id,
    e.over_allocated,
    e.provision_ids,
    e.changed_at,
    e.at as as_of
from entitlements.workspace_entitlements e
join entitlements.resource_keys k using (resource_key)
where e.held or e.consumed > 0 or e.owed > 0 or entitlements.is_paused(e.pool_id, e.resource_key);

comment on view entitlements_reporting.customer_entitlements is
    'What each customer has of each resource key now, from each of its pools, and how much is left. '
    'Customers who share a pool share its quantities: sum over pool_entitlements instead.';
comment on column entitlements_reporting.customer_entitlements.organization_id is 'The organization that owns the pool. Customer ids are unique within an organization only.';
comment on column entitlements_reporting.customer_entitlements.customer_id is 'The customer. Tables call it workspace_id.';
comment on column entitlements_reporting.customer_entitlements.resource_key is 'The resource key, such as api_calls.';
comment on column entitlements_reporting.customer_entitlements.name is 'Name of the key for people; null: not defined yet.';
comment on column entitlements_reporting.customer_entitlements.unit is 'Unit of the quantities of the key, such as call or byte; empty for features.';
comment on column entitlements_reporting.customer_entitlements.scale is 'How many decimals people see: 1250 at scale 2 is shown as 12.50. Columns without _decimal are integers in the smallest unit.';
comment on column entitlements_reporting.customer_entitlements.status is
    'OVERAGE: some overage is neither paid nor forgiven. LIMIT REACHED: nothing is left. WARNING: at or above the soft limit. OK. ACTIVE: a feature. '
    'UNAVAILABLE: today is outside of the start_date and end_date of the key. '
    'SUSPENDED: the pool, or what includes the key, is suspended. ENDED: no longer included, but something was used in this period or is owed.';
comment on column entitlements_reporting.customer_entitlements.entitlement_type is 'boolean, limit, quota or credit.';
comment on column entitlements_reporting.customer_entitlements.pool_id is 'The pool that it comes from.';
comment on column entitlements_reporting.customer_entitlements.role is 'primary or secondary: how the customer is assigned to the pool.';
comment on column entitlements_reporting.customer_entitlements.pool_order is 'In which order the customer draws on its pools, from 1.';
comment on column entitlements_reporting.customer_entitlements.period is 'When a quota resets, such as day or month; null: it does not.';
comment on column entitlements_reporting.customer_entitlements.resets_at is 'End of the present period; null: nothing was used in it yet, or there is no reset.';
comment on column entitlements_reporting.customer_entitlements.included is 'Included quantity, after stacking and overrides; null: unlimited, or a feature.';
comment on column entitlements_reporting.customer_entitlements.included_decimal is 'The same with decimals.';
comment on column entitlements_reporting.customer_entitlements.consumed is 'Used in the present period, or held of a limit, by the whole pool; null: a feature.';
comment on column entitlements_reporting.customer_entitlements.consumed_decimal is 'The same with decimals.';
comment on column entitlements_reporting.customer_entitlements.reserved is 'Held by reservations and leases, for the whole pool.';
comment on column entitlements_reporting.customer_entitlements.reserved_decimal is 'The same with decimals.';
comment on column entitlements_reporting.customer_entitlements.remaining is 'Left of what is included, for the whole pool; null: unlimited, or a feature.';
comment on column entitlements_reporting.customer_entitlements.remaining_decimal is 'The same with decimals.';
comment on column entitlements_reporting.customer_entitlements.owed is 'Overage that is neither paid nor forgiven, of this period and preserved from earlier ones.';
comment on column entitlements_reporting.customer_entitlements.owed_decimal is 'The same with decimals.';
comment on column entitlements_reporting.customer_entitlements.paid is 'The part of consumed that was charged to credits or on demand.';
comment on column entitlements_reporting.customer_entitlements.paid_decimal is 'The same with decimals.';
comment on column entitlements_reporting.customer_entitlements.soft_limit is 'Warn from here on; null: no warning.';
comment on column entitlements_reporting.customer_entitlements.soft_limit_decimal is 'The same with decimals.';
comment on column entitlements_reporting.customer_entitlements.hard_limit is 'Strict usage is refused above this; null: never.';
comment on column entitlements_reporting.customer_entitlements.hard_limit_decimal is 'The same with decimals.';
comment on column entitlements_reporting.customer_entitlements.cap is 'The most that this customer may draw in cap_period; null: no cap.';
comment on column entitlements_reporting.customer_entitlements.cap_decimal is 'The same with decimals.';
comment on column entitlements_reporting.customer_entitlements.cap_drawn is 'What this customer drew in the present period of the cap; null: no cap.';
comment on column entitlements_reporting.customer_entitlements.cap_drawn_decimal is 'The same with decimals.';
comment on column entitlements_reporting.customer_entitlements.cap_period is 'Period of the cap, such as month; null: no cap, or one without a period.';
comment on column entitlements_reporting.customer_entitlements.on_demand is 'Whether usage above what is included is charged to a payer.';
comment on column entitlements_reporting.customer_entitlements.currency is 'ISO 4217 code of spent and spending_cap; empty or null: none.';
comment on column entitlements_reporting.customer_entitlements.spent is 'On-demand spending in the present period, in minor units of the currency, for the whole pool.';
comment on column entitlements_reporting.customer_entitlements.spending_cap is 'The most that may be spent on demand in a period, in minor units; null: no cap.';
comment on column entitlements_reporting.customer_entitlements.credit_key is 'The resource key of the credits that pay for usage above what is included; null: none.';
comment on column entitlements_reporting.customer_entitlements.override_id is 'The override that decides, of the customer or else of the pool; null: none.';
comment on column entitlements_reporting.customer_entitlements.over_allocated is 'True: more of a limit is held than is included now.';
comment on column entitlements_reporting.customer_entitlements.provision_ids is 'The provisions that contribute, in burn order.';
comment on column entitlements_reporting.customer_entitlements.changed_at is 'When the included quantity changed last.';
comment on column entitlements_reporting.customer_entitlements.as_of is 'The instant of this row: now, or the clock of a pool that is imported (backfill).';
