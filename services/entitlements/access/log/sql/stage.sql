-- stage --
-- Where a batch is copied to before it is inserted; gone with the connection.
create temporary table if not exists staged_access (like access_log) on commit delete rows;
