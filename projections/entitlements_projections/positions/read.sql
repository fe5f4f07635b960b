-- read --
-- Where the tables stand, by partition of the ledger.
select partition, ledger_offset, position from projection_positions;
