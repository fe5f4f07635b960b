-- close_gate --
-- Waits until no projector is writing, and holds them off until commit.
select pg_advisory_xact_lock(hashtextextended('entitlements.projections:' || current_schema(), 0));
