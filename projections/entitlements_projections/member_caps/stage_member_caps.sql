-- stage_member_caps --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_member_caps (
    pool_id text,
    workspace_id text,
    subject_id text,
    resource_key text,
    amount bigint,
    period text,
    capped_at timestamptz,
    actor text,
    version bigint
);
