-- upsert --
-- Adds ladders and completes them. The order of ladders keeps two projectors from waiting for each other in a circle.
insert into plan_ladders as t (ladder, name, rungs, defined_at, actor, version)
select ladder, name, rungs, defined_at, actor, version
from staged_plan_ladders
order by ladder
on conflict (ladder) do update set
    name = excluded.name,
    rungs = excluded.rungs,
    defined_at = excluded.defined_at,
    actor = excluded.actor,
    version = excluded.version
where t.version < excluded.version;
