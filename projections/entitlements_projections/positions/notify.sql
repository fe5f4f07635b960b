-- notify --
-- Wakes the readers who wait for a position; delivered at commit.
select pg_notify('entitlements_positions', '');
