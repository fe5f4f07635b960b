-- stage_campaigns --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_campaigns (
    campaign_id text,
    name text,
    set_id text,
    set_version integer,
    rules text,
    quantity bigint,
    priority integer,
    starts_at timestamptz,
    ends_at timestamptz,
    reason text,
    is_active boolean,
    activation integer,
    changed_at timestamptz,
    actor text,
    version bigint
);
