-- begin --
-- The first positions of partitions. Nothing is written where another projector has begun already.
insert into projection_positions (partition, ledger_offset, position, decided_at)
select r.partition, r.ledger_offset, r.position, timestamptz 'epoch' + r.decided_at_ms * interval '1 millisecond'
from unnest(
    %(partitions)s::integer[], %(offsets)s::bigint[], %(positions)s::text[], %(decided_at_ms)s::bigint[]
) as r (partition, ledger_offset, position, decided_at_ms)
order by r.partition
on conflict (partition) do nothing
returning partition;
