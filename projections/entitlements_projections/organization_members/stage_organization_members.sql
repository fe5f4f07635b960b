-- stage_organization_members --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_organization_members (
    organization_id text,
    unit_id text,
    workspace_id text,
    subject_id text,
    role text,
    set_at timestamptz,
    actor text,
    version bigint
);
