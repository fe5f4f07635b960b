-- stage_pool_overrides --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_pool_overrides (
    pool_id text,
    override_id text,
    resource_key text,
    workspace_id text,
    status text,
    allowed boolean,
    amount bigint,
    soft_limit bigint,
    hard_limit bigint,
    reason text,
    actor text,
    set_at timestamptz,
    expires_at timestamptz,
    over_at timestamptz,
    over_reason text,
    over_actor text,
    version bigint
);
