-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into boolean_entitlements as t (
    pool_id, resource_key, held, stacking, min_role, provision_ids, changed_at, version
)
select
    pool_id, resource_key, held, stacking, min_role, provision_ids, changed_at, version
from staged_boolean_entitlements
order by pool_id, resource_key
on conflict (pool_id, resource_key) do update set
    held = excluded.held,
    stacking = excluded.stacking,
    min_role = excluded.min_role,
    provision_ids = excluded.provision_ids,
    changed_at = excluded.changed_at,
    version = excluded.version
where t.version < excluded.version;
