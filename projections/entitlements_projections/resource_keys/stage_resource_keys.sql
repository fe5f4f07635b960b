-- stage_resource_keys --
-- Takes the keys of one batch by COPY; a key that was only used has no description and version 0.
create temporary table if not exists staged_resource_keys (
    resource_key text,
    name text,
    data_type text,
    unit text,
    scale integer,
    defined_at timestamptz,
    actor text,
    version bigint,
    entitlement_type text,
    default_value bigint,
    override_policy text,
    usage_tracking jsonb,
    constraints jsonb
);
