-- Usage of each customer, key and day (UTC), split by who pays for it.
create or replace view entitlements_reporting.usage_by_day as
select
    u.organization_id,
    u.day,
    u.customer_id,
    u.resource_key,
    k.name,
    k.unit,
    coalesce(k.scale, 0) as scale,
    u.pool_id,
    u.quantity,
    entitlements_reporting.decimal_of(u.quantity, k.scale) as quantity_decimal,
    -- Nobody owes what is held above a limit, such as seats; releases take it back without saying so.
    case when n.entitlement_type = 'limit' then u.included + u.overage else u.included end as included,
    entitlements_reporting.decimal_of(case when n.entitlement_type = 'limit' then u.included + u.overage else u.included end, k.scale) as included_decimal,
    u.by_credits,
    entitlements_reporting.decimal_of(u.by_credits, k.scale) as by_credits_decimal,
    u.on_demand,
    entitlements_reporting.decimal_of(u.on_demand, k.scale) as on_demand_decimal,
    case when n.entitlement_type = 'limit' then 0 else u.overage end as overage,
    entitlements_reporting.decimal_of(case when n.entitlement_type = 'limit' then 0 else u.overage end, k.scale) as overage_decimal,
    u.credit_units,
    u.spending,
    d.currency,
    u.lines
from (
    select
        organization_id, (occurred_at at time zone 'UTC')::date as day, workspace_id as customer_id, resource_key, pool_id,
        sum(quantity) as quantity,
        coalesce(sum(quantity - overage) filter (where bearer = 'included'), 0) as included,
        coalesce(sum(quantity) filter (where bearer = 'credit'), 0) as by_credits,
        coalesce(sum(quantity) filter (where bearer = 'on_demand'), 0) as on_demand,
        sum(overage) as overage,
        coalesce(sum(charge) filter (where bearer = 'credit'), 0) as credit_units,
        coalesce(sum(charge) filter (where bearer = 'on_demand'), 0) as spending,
        count(*) filter (where part = 0) as lines
    from entitlements.usage_events
    group by organization_id, (occurred_at at time zone 'UTC')::date, workspace_id, resource_key, pool_id
) u
join entitlements.resource_keys k using (resource_key)
left join entitlements.numeric_entitlements n on n.pool_id = u.pool_id and n.resource_key = u.resource_key
left join entitlements.pool_ondemand_config d on d.pool_id = u.pool_id and d.resource_key = u.resource_key;

comment on view entitlements_reporting.usage_by_day is
    'Usage of each customer and key by day (UTC), net of releases and corrections. quantity is the sum of included, by_credits, on_demand and overage. '
    'It reads the lines of the organizations that you name: for long ranges group usage_lines by occurred_at.';
comment on column entitlements_reporting.usage_by_day.organization_id is 'The organization that owns the pool. Customer ids are unique within an organization only.';
comment on column entitlements_reporting.usage_by_day.day is 'The day in UTC on which it happened.';
comment on column entitlements_reporting.usage_by_day.customer_id is 'Who used it; null: no customer was named.';
comment on column entitlements_reporting.usage_by_day.resource_key is 'What was used.';
comment on column entitlements_reporting.usage_by_day.name is 'Name of the key for people; null: not defined yet.';
comment on column entitlements_reporting.usage_by_day.unit is 'Unit of the quantities of the key.';
comment on column entitlements_reporting.usage_by_day.scale is 'How many decimals people see. Columns without _decimal are integers in the smallest unit.';
comment on column entitlements_reporting.usage_by_day.pool_id is 'The pool that was used.';
comment on column entitlements_reporting.usage_by_day.quantity is 'How much, net of what was given back or corrected. Of a limit: by how much the quantity held changed.';
comment on column entitlements_reporting.usage_by_day.quantity_decimal is 'The same with decimals.';
comment on column entitlements_reporting.usage_by_day.included is 'The part that provisions include. Of a limit: all that is not paid by credits or on demand, also above the limit.';
comment on column entitlements_reporting.usage_by_day.included_decimal is 'The same with decimals.';
comment on column entitlements_reporting.usage_by_day.by_credits is 'The part that was charged to credits.';
comment on column entitlements_reporting.usage_by_day.by_credits_decimal is 'The same with decimals.';
comment on column entitlements_reporting.usage_by_day.on_demand is 'The part that was charged to a payer on demand.';
comment on column entitlements_reporting.usage_by_day.on_demand_decimal is 'The same with decimals.';
comment on column entitlements_reporting.usage_by_day.overage is 'The part above a quota that nobody paid for when it was recorded; 0 for a limit, of which nothing is owed. What of it is owed today is in pool_entitlements.owed.';
comment on column entitlements_reporting.usage_by_day.overage_decimal is 'The same with decimals.';
comment on column entitlements_reporting.usage_by_day.credit_units is 'What by_credits cost, in the smallest unit of the credits.';
comment on column entitlements_reporting.usage_by_day.spending is 'What on_demand cost, in minor units of the currency.';
comment on column entitlements_reporting.usage_by_day.currency is 'ISO 4217 code of spending, as the pool is configured today; empty or null: none.';
comment on column entitlements_reporting.usage_by_day.lines is 'How many lines of usage, releases and corrections.';
