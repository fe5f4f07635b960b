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
    anchored boolean,
    anchor_at timestamptz,
    grace_for integer,
    credit_key text,
    override_id text,
    over_allocated boolean,
    changed_at timestamptz,
    counts_from bigint,
    credit_rate bigint,
    credit_per bigint,
    credit_quantity bigint,
    credit_units bigint,
    begins_with bigint,
    moved_start timestamptz,
    moved_end timestamptz,
    version bigint
);
