-- stage_unit_assignments --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_unit_assignments (
    organization_id text,
    unit_id text,
    pool_id text,
    role text,
    may_overflow boolean,
    assigned_at timestamptz,
    unassigned_at timestamptz,
    actor text,
    version bigint
);
