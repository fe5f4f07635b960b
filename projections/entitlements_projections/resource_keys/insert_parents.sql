-- insert_parents --
-- Adds the parents of the newest definitions only, so a replayed batch changes nothing.
insert into resource_key_parents (resource_key, position, parent_key, version)
select s.resource_key, s.position, s.parent_key, s.version
from staged_resource_key_parents s
join resource_keys k on k.resource_key = s.resource_key and k.version = s.version
order by s.resource_key, s.position
on conflict (resource_key, parent_key) do nothing;
