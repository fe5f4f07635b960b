-- stage_access_policies --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_access_policies (
    organization_id text,
    policy_id text,
    policy_version integer,
    policies_version bigint,
    name text,
    effect text,
    priority integer,
    document text,
    changed_at timestamptz,
    retired_at timestamptz,
    actor text,
    version bigint
);
