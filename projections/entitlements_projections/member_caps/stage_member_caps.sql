-- stage_member_caps --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_member_caps (
    pool_id text,
    workspace_id text,
    subject_id text,
    resource_key text,
    override_id text,
    amount bigint,
    period text,
    time_zone text,
    drawn bigint,
    drawn_from timestamptz,
    drawn_until timestamptz,
    counts_from bigint,
    capped_at timestamptz,
    actor text,
    version bigint
);
