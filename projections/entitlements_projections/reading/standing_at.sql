-- standing_at --
-- Where the tables stand, and when what they know last was decided, by partition of the ledger.
select partition, ledger_offset, decided_at
from projection_positions
order by partition;
