-- The catalogue: what each version of each entitlement set includes.
create or replace view entitlements_reporting.plan_rules as
select
    s.set_id,
    s.set_version,
    s.name as set_name,
    s.set_version = max(s.set_version) over (partition by s.set_id) as is_newest,
    s.ladder,
    s.rung,
    s.defined_at,
    s.actor,
    r.position,
    r.resource_key,
    k.name,
    k.unit,
    coalesce(k.scale, 0) as scale,
    r.rule_type,
    r.amount,
    entitlements_reporting.decimal_of(r.amount, k.scale) as amount_decimal,
    r.soft_limit,
    entitlements_reporting.decimal_of(r.soft_limit, k.scale) as soft_limit_decimal,
    r.hard_limit,
    entitlements_reporting.decimal_of(r.hard_limit, k.scale) as hard_limit_decimal,
    r.period,
    r.stacking,
    r.per_unit,
    r.denied,
    r.credit_key,
    r.credit_rate,
    r.credit_per,
    nullif(r.min_role, '') as min_role
from entitlements.entitlement_sets s
join entitlements.entitlement_set_rules r on r.set_id = s.set_id and r.set_version = s.set_version
join entitlements.resource_keys k on k.resource_key = r.resource_key;

comment on view entitlements_reporting.plan_rules is 'Rules of each version of each entitlement set (plan): what it includes of each resource key.';
comment on column entitlements_reporting.plan_rules.set_id is 'The entitlement set.';
comment on column entitlements_reporting.plan_rules.set_version is 'Version of the set, from 1. Versions never change.';
comment on column entitlements_reporting.plan_rules.set_name is 'Name of the set for people.';
comment on column entitlements_reporting.plan_rules.is_newest is 'Whether it is the newest version of the set.';
comment on column entitlements_reporting.plan_rules.ladder is 'The plan ladder of the set; null: none.';
comment on column entitlements_reporting.plan_rules.rung is 'Place on the ladder, higher is more; null: none.';
comment on column entitlements_reporting.plan_rules.defined_at is 'When this version was defined.';
comment on column entitlements_reporting.plan_rules.actor is 'Who defined it.';
comment on column entitlements_reporting.plan_rules.position is 'Place of the rule in the set, from 0.';
comment on column entitlements_reporting.plan_rules.resource_key is 'The resource key.';
comment on column entitlements_reporting.plan_rules.name is 'Name of the key for people; null: not defined yet.';
comment on column entitlements_reporting.plan_rules.unit is 'Unit of the quantities of the key; empty for features.';
comment on column entitlements_reporting.plan_rules.scale is 'How many decimals people see. Columns without _decimal are integers in the smallest unit.';
comment on column entitlements_reporting.plan_rules.rule_type is 'boolean, limit, quota or credit.';
comment on column entitlements_reporting.plan_rules.amount is 'Included quantity; null: unlimited, or a feature.';
comment on column entitlements_reporting.plan_rules.amount_decimal is 'The same with decimals.';
comment on column entitlements_reporting.plan_rules.soft_limit is 'Warn from here on; null: no warning.';
comment on column entitlements_reporting.plan_rules.soft_limit_decimal is 'The same with decimals.';
comment on column entitlements_reporting.plan_rules.hard_limit is 'Strict usage is refused above this; null: the amount is the hard limit.';
comment on column entitlements_reporting.plan_rules.hard_limit_decimal is 'The same with decimals.';
comment on column entitlements_reporting.plan_rules.period is 'When it resets: hour, day, week, month, year, lifetime or an ISO 8601 duration; null: it does not.';
comment on column entitlements_reporting.plan_rules.stacking is 'How contributions combine: any, sum, max, min or override.';
comment on column entitlements_reporting.plan_rules.per_unit is 'True: the amounts are multiplied by the quantity of the provision.';
comment on column entitlements_reporting.plan_rules.denied is 'True: the feature is taken away.';
comment on column entitlements_reporting.plan_rules.credit_key is 'The credits that pay for usage above the amount; null: none.';
comment on column entitlements_reporting.plan_rules.credit_rate is 'Credit units for each credit_per of quantity.';
comment on column entitlements_reporting.plan_rules.credit_per is 'The quantity that costs credit_rate.';
comment on column entitlements_reporting.plan_rules.min_role is 'The least role of a member that has the feature; null: every member.';
