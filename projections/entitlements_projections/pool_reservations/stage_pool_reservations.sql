-- stage_pool_reservations --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_pool_reservations (
    pool_id text,
    reservation_id text,
    resource_key text,
    status text,
    quantity bigint,
    held bigint,
    paid bigint,
    committed bigint,
    credit_key text,
    credit_units bigint,
    spending bigint,
    workspace_id text,
    subject_id text,
    lease boolean,
    reserved_at timestamptz,
    expires_at timestamptz,
    over_at timestamptz,
    version bigint
);
