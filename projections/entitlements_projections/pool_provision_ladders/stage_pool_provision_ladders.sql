-- stage_pool_provision_ladders --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_pool_provision_ladders (
    pool_id text,
    provision_id text,
    ladder text,
    rung integer,
    started_at timestamptz,
    ended_at timestamptz,
    version bigint
);
