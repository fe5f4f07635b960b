-- stage_numeric_entitlement_usage --
-- Takes the newest totals of one batch by COPY; instants in epoch milliseconds, as they come.
create temporary table if not exists staged_numeric_entitlement_usage (
    pool_id text,
    resource_key text,
    period_start_ms bigint,
    period_end_ms bigint,
    consumed bigint,
    elsewhere bigint,
    owed bigint,
    warned_at_ms bigint,
    exceeded_at_ms bigint,
    counted_at_ms bigint,
    version bigint
);
