-- days --
-- The tables of days, the oldest first: attached; leaving, while they are detached; or detached, until they are dropped.
select
    child.relname::text,
    case when part.inhparent is null then 'detached' when part.inhdetachpending then 'leaving' else 'attached' end as state
from pg_class as child
left join pg_inherits as part on part.inhrelid = child.oid
where
    child.relnamespace = to_regnamespace(current_schema()) and child.relkind = 'r'
    and child.relname ~ '^access_log_[0-9]{8}$'
order by child.relname;
