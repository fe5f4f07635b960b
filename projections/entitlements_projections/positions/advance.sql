-- advance --
-- Compare and set: nothing is written when another projector has moved the position already.
update projection_positions
set
    ledger_offset = %(offset)s,
    position = %(position)s,
    decided_at = timestamptz 'epoch' + %(decided_at_ms)s * interval '1 millisecond'
where partition = %(partition)s and ledger_offset = %(expected)s;
