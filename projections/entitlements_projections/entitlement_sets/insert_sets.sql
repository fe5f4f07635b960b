-- insert_sets --
-- Versions never change: one that is there stays as it is.
insert into entitlement_sets (set_id, set_version, name, ladder, rung, defined_at, actor, inheritance, own_rules)
select set_id, set_version, name, ladder, rung, defined_at, actor, inheritance, own_rules
from staged_entitlement_sets
on conflict (set_id, set_version) do nothing;
