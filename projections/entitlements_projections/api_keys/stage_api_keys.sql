-- stage_api_keys --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_api_keys (
    organization_id text,
    key_id text,
    secret_sha256 text,
    name text,
    scopes text[],
    act_for text[],
    acts_for_all boolean,
    unit_id text,
    created_at timestamptz,
    expires_at timestamptz,
    revoked_at timestamptz,
    requests_per_s integer,
    actor text,
    version bigint
);
