-- days --
-- The days that have a partition, the oldest first.
select child.relname
from pg_inherits
inner join pg_class as child on pg_inherits.inhrelid = child.oid
where pg_inherits.inhparent = 'access_log'::regclass
order by child.relname;
