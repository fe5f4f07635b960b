-- stage_pool_provisions --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_pool_provisions (
    pool_id text,
    provision_id text,
    source text,
    source_id text,
    billing_account_id text,
    set_id text,
    set_version integer,
    quantity bigint,
    status text,
    starts_at timestamptz,
    ends_at timestamptz,
    planned_ends_at timestamptz,
    resource_keys text[],
    lowering_keys text[],
    priority integer,
    follows boolean,
    billing_period text,
    scheduled_at timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    end_reason text,
    status_reason text,
    actor text,
    version bigint
);
