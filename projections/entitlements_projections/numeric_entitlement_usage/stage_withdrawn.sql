-- stage_withdrawn --
-- Takes the totals that are not exceeded after all, and when they were exceeded again since; null: they were not.
create temporary table if not exists staged_withdrawn (
    pool_id text,
    resource_key text,
    period_start_ms bigint,
    period_end_ms bigint,
    exceeded_at_ms bigint,
    version bigint
);
