-- insert_parents --
-- Versions never change: a parent that is there stays as it is.
insert into entitlement_set_parents (set_id, set_version, position, parent_id, parent_version)
select set_id, set_version, position, parent_id, parent_version
from staged_entitlement_set_parents
on conflict (set_id, set_version, position) do nothing;
