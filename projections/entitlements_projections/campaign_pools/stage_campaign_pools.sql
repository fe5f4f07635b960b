-- stage_campaign_pools --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_campaign_pools (
    campaign_id text,
    pool_id text,
    added_at timestamptz,
    times integer,
    removed_at timestamptz,
    version bigint
);
