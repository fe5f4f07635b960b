-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into pool_provision_ladders as t (
    pool_id, provision_id, ladder, rung, started_at, ended_at, version
)
select
    pool_id, provision_id, ladder, rung, started_at, ended_at, version
from staged_pool_provision_ladders
order by pool_id, provision_id
on conflict (pool_id, provision_id) do update set
    ladder = excluded.ladder,
    rung = excluded.rung,
    started_at = excluded.started_at,
    ended_at = excluded.ended_at,
    version = excluded.version
where t.version < excluded.version;
