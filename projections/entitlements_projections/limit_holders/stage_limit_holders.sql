-- stage_limit_holders --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_limit_holders (
    pool_id text,
    resource_key text,
    holder_id text,
    held bigint,
    workspace_id text,
    changed_at timestamptz,
    actor text,
    version bigint
);
