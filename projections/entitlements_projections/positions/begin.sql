-- begin --
-- The first position of a partition. Nothing is written when another projector has begun already.
insert into projection_positions (partition, ledger_offset, position, decided_at)
values (%(partition)s, %(offset)s, %(position)s, timestamptz 'epoch' + %(decided_at_ms)s * interval '1 millisecond')
on conflict (partition) do nothing;
