-- stage_organization_workspaces --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_organization_workspaces (
    organization_id text,
    workspace_id text,
    unit_id text,
    placed_at timestamptz,
    actor text,
    version bigint
);
