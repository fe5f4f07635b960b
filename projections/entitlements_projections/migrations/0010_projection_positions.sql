-- Up to where each partition of the ledger is in these tables. Moves in one transaction with the rows.

create table projection_positions (
    partition integer primary key,
    ledger_offset bigint not null,
    position text not null,
    decided_at timestamptz not null
) with (fillfactor = 20);

comment on table projection_positions is 'Positions of the projector: one row per partition of the ledger.';
comment on column projection_positions.partition is 'Partition of the ledger.';
comment on column projection_positions.ledger_offset is 'Offset of the last frame applied to the tables.';
comment on column projection_positions.position is 'Position of the chain reader after that frame, as JSON.';
comment on column projection_positions.decided_at is 'When that frame''s last command was written, by the clock of the log.';
