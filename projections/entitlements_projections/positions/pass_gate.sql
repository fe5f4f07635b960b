-- pass_gate --
-- Waits while a rebuild takes the place of these tables, and holds the next rebuild off until commit.
select pg_advisory_xact_lock_shared(hashtextextended('entitlements.projections:' || current_schema(), 0));
