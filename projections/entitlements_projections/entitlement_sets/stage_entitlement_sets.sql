-- stage_entitlement_sets --
-- Takes the set versions of one batch by COPY.
create temporary table if not exists staged_entitlement_sets (
    set_id text,
    set_version integer,
    name text,
    ladder text,
    rung integer,
    defined_at timestamptz,
    actor text,
    inheritance text,
    own_rules jsonb
);
