-- stage_unit_workspace_pools --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_unit_workspace_pools (
    organization_id text,
    workspace_id text,
    pool_id text,
    role text,
    may_overflow boolean,
    changed_at timestamptz,
    version bigint
);
