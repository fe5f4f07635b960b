-- stage_numeric_entitlement_contributions --
-- Takes the contributions of one batch by COPY.
create temporary table if not exists staged_numeric_entitlement_contributions (
    pool_id text,
    resource_key text,
    provision_id text,
    position integer,
    included_limit bigint,
    soft_limit bigint,
    hard_limit bigint,
    carried bigint,
    consumed bigint,
    kept boolean,
    recurs text,
    version bigint
);
