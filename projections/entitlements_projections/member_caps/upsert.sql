-- upsert --
-- Takes the newest version only, so a replayed batch changes nothing.
insert into member_caps as t (
    pool_id, workspace_id, subject_id, resource_key, override_id, amount, period, time_zone, drawn, drawn_from, drawn_until,
    counts_from, capped_at, actor, version
)
select
    pool_id, workspace_id, subject_id, resource_key, override_id, amount, period, time_zone, drawn, drawn_from, drawn_until,
    counts_from, capped_at, actor, version
from staged_member_caps
order by pool_id, workspace_id, subject_id, resource_key, override_id
on conflict (pool_id, workspace_id, subject_id, resource_key, override_id) do update set
    amount = excluded.amount,
    period = excluded.period,
    time_zone = excluded.time_zone,
    drawn = excluded.drawn,
    drawn_from = excluded.drawn_from,
    drawn_until = excluded.drawn_until,
    counts_from = excluded.counts_from,
    capped_at = excluded.capped_at,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
