-- stage_resource_pools --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_resource_pools (
    pool_id text,
    organization_id text,
    billing_account_id text,
    name text,
    status text,
    status_reason text,
    status_actor text,
    opened_at timestamptz,
    status_at timestamptz,
    backfill_from timestamptz,
    backfilling boolean,
    time_zone text,
    anchor_at timestamptz,
    clock timestamptz,
    version bigint
);
