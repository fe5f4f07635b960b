-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into organization_units as t (
    organization_id, unit_id, parent_unit_id, name, defined_at, removed_at, actor, version
)
select
    organization_id, unit_id, parent_unit_id, name, defined_at, removed_at, actor, version
from staged_organization_units
order by organization_id, unit_id
on conflict (organization_id, unit_id) do update set
    parent_unit_id = excluded.parent_unit_id,
    name = excluded.name,
    defined_at = excluded.defined_at,
    removed_at = excluded.removed_at,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
