-- stage_pool_assignments --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_pool_assignments (
    pool_id text,
    workspace_id text,
    role text,
    may_overflow boolean,
    assigned_at timestamptz,
    unassigned_at timestamptz,
    reason text,
    actor text,
    version bigint
);
