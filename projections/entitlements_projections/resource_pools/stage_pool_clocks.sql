-- stage_pool_clocks --
-- Takes the clocks of one batch by COPY, in epoch milliseconds.
create temporary table if not exists staged_pool_clocks (
    pool_id text,
    version bigint,
    clock_ms bigint
);
