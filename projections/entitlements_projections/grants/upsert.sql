-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into grants as t (
    pool_id, organization_id, grant_id, status, reason, actor, issued_at, starts_at, ends_at, over_at, over_reason,
    over_actor, version
)
select
    pool_id, (select p.organization_id from resource_pools p where p.pool_id = s.pool_id), grant_id, status, reason, actor, issued_at, starts_at, ends_at, over_at, over_reason,
    over_actor, version
from staged_grants s
order by pool_id, grant_id
on conflict (pool_id, grant_id) do update set
    status = excluded.status,
    reason = excluded.reason,
    actor = excluded.actor,
    issued_at = excluded.issued_at,
    starts_at = excluded.starts_at,
    ends_at = excluded.ends_at,
    over_at = excluded.over_at,
    over_reason = excluded.over_reason,
    over_actor = excluded.over_actor,
    version = excluded.version
where t.version < excluded.version;
