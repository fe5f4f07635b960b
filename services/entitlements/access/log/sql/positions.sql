-- positions --
-- Where the topic was read to.
select partition, next_offset from access_log_positions;
