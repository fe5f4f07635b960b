-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into limit_holders as t (
    pool_id, resource_key, holder_id, held, workspace_id, changed_at, actor, version
)
select
    pool_id, resource_key, holder_id, held, workspace_id, changed_at, actor, version
from staged_limit_holders
order by pool_id, resource_key, holder_id
on conflict (pool_id, resource_key, holder_id) do update set
    held = excluded.held,
    workspace_id = excluded.workspace_id,
    changed_at = excluded.changed_at,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
