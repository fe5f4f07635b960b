-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into member_caps as t (
    pool_id, workspace_id, subject_id, resource_key, amount, period, capped_at, actor, version
)
select
    pool_id, workspace_id, subject_id, resource_key, amount, period, capped_at, actor, version
from staged_member_caps
order by pool_id, workspace_id, subject_id, resource_key
on conflict (pool_id, workspace_id, subject_id, resource_key) do update set
    amount = excluded.amount,
    period = excluded.period,
    capped_at = excluded.capped_at,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
