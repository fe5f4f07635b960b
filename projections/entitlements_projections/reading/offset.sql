-- offset --
-- Up to where the tables know one partition of the ledger.
select ledger_offset from projection_positions where partition = %s;
