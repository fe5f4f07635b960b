-- stage_usage_events --
-- Takes the lines of one batch by COPY, as they come: absent texts are empty, instants are epoch milliseconds.
create temporary table if not exists staged_usage_events (
    pool_id text,
    version bigint,
    line integer,
    occurred_at_ms bigint,
    part integer,
    recorded_at_ms bigint,
    resource_key text,
    quantity bigint,
    overage bigint,
    mode text,
    late boolean,
    workspace_id text,
    subject_id text,
    usage_id text,
    provision_id text,
    bearer text,
    payer text,
    charge bigint,
    reservation_id text
);
