-- recorded_line --
-- When a line of usage was recorded, the last time under this id, of lines since a version of the pool.
select version, recorded_at, late from usage_events
where pool_id = %s and usage_id = %s and version >= %s and version < %s and mode in ('strict', 'report')
order by version desc
limit 1;
