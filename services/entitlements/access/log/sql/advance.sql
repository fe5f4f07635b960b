-- advance --
-- Compare and set: no row when another keeper has moved the position already.
insert into access_log_positions (partition, next_offset)
values (%(partition)s, %(next_offset)s)
on conflict (partition) do update set next_offset = excluded.next_offset
where access_log_positions.next_offset = %(expected)s
returning partition;
