-- insert_rules --
-- Versions never change: a rule that is there stays as it is.
insert into entitlement_set_rules (
    set_id, set_version, position, resource_key, rule_type, amount, soft_limit, hard_limit, period, stacking, per_unit,
    denied, anchored, recurs, rollover_min, rollover_max, overage_at_reset, grace_for, credit_key, credit_rate, credit_per, min_role
)
select
    set_id, set_version, position, resource_key, rule_type, amount, soft_limit, hard_limit, period, stacking, per_unit,
    denied, anchored, recurs, rollover_min, rollover_max, overage_at_reset, grace_for, credit_key, credit_rate, credit_per, min_role
from staged_entitlement_set_rules
on conflict (set_id, set_version, position) do nothing;
