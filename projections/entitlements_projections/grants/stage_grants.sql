-- stage_grants --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_grants (
    pool_id text,
    grant_id text,
    status text,
    reason text,
    actor text,
    issued_at timestamptz,
    starts_at timestamptz,
    ends_at timestamptz,
    over_at timestamptz,
    over_reason text,
    over_actor text,
    version bigint
);
