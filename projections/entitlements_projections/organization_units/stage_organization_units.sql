-- stage_organization_units --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_organization_units (
    organization_id text,
    unit_id text,
    parent_unit_id text,
    name text,
    defined_at timestamptz,
    removed_at timestamptz,
    actor text,
    version bigint
);
