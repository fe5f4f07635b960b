-- keys_of_day --
-- The keys that were asked for on a day.
select distinct resource_key from access_log where occurred_at >= %(since)s and occurred_at < %(until)s;
