-- stage_numeric_entitlements --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_numeric_entitlements (
    pool_id text,
    resource_key text,
    entitlement_type text,
    held boolean,
    effective_limit bigint,
    soft_limit bigint,
    hard_limit bigint,
    period text,
    stacking text,
    changed_at timestamptz,
    counts_from bigint,
    version bigint
);
