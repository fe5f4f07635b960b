-- stage_boolean_entitlements --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_boolean_entitlements (
    pool_id text,
    resource_key text,
    held boolean,
    stacking text,
    min_role text,
    provision_ids text[],
    changed_at timestamptz,
    version bigint
);
