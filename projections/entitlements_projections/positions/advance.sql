-- advance --
-- Compare and set: a position that another projector has moved already stays. Locked by partition: two never wait in a circle.
with reached as (
    select r.partition, r.expected, r.ledger_offset, r.position, r.decided_at_ms
    from unnest(
        %(partitions)s::integer[], %(expected)s::bigint[], %(offsets)s::bigint[], %(positions)s::text[], %(decided_at_ms)s::bigint[]
    ) as r (partition, expected, ledger_offset, position, decided_at_ms)
),
locked as (
    select p.partition
    from reached r join projection_positions p on p.partition = r.partition and p.ledger_offset = r.expected
    order by p.partition
    for update of p
)
update projection_positions t
set
    ledger_offset = r.ledger_offset,
    position = r.position,
    decided_at = timestamptz 'epoch' + r.decided_at_ms * interval '1 millisecond'
from locked l join reached r on r.partition = l.partition
where t.partition = l.partition
returning t.partition;
