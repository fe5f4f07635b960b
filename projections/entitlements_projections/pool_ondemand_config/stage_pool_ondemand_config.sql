-- stage_pool_ondemand_config --
-- Takes the rows of one batch by COPY.
create temporary table if not exists staged_pool_ondemand_config (
    pool_id text,
    resource_key text,
    enabled boolean,
    payer text,
    currency text,
    unit_price bigint,
    price_per bigint,
    spending_cap bigint,
    alert_at integer[],
    alerted integer,
    alerted_at timestamptz,
    spent bigint,
    bought bigint,
    charged bigint,
    configured_at timestamptz,
    actor text,
    version bigint
);
