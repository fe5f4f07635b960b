-- close_gate --
-- Waits until no projector is writing, and holds them off until commit: each takes a weaker lock with its position. Readers take none.
lock table projection_positions in exclusive mode;
