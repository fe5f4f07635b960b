-- Consumption above what is included: allowed up to a cap, charged to a named payer.

create table pool_ondemand_config (
    pool_id text not null references resource_pools,
    resource_key text not null references resource_keys,
    enabled boolean not null,
    payer text not null,
    currency text not null,
    unit_price bigint not null,
    price_per bigint not null,
    spending_cap bigint,
    alert_at integer[] not null,
    alerted integer not null,
    alerted_at timestamptz,
    configured_at timestamptz not null,
    actor text not null,
    version bigint not null,
    primary key (pool_id, resource_key)
);

comment on table pool_ondemand_config is 'On-demand consumption of pools: above what is included, up to a cap, charged to a payer.';
comment on column pool_ondemand_config.pool_id is 'The pool.';
comment on column pool_ondemand_config.resource_key is 'The key.';
comment on column pool_ondemand_config.enabled is 'Whether it is allowed.';
comment on column pool_ondemand_config.payer is 'Who is charged; empty: the billing account of the pool.';
comment on column pool_ondemand_config.currency is 'ISO 4217 code of the currency; empty: not said.';
comment on column pool_ondemand_config.unit_price is 'Price of price_per units of the key, in minor units of the currency.';
comment on column pool_ondemand_config.price_per is 'So many of the smallest unit cost unit_price.';
comment on column pool_ondemand_config.spending_cap is 'The most that is spent in a period, in minor units; null: no cap.';
comment on column pool_ondemand_config.alert_at is 'Percentages of the cap at which an alert is told.';
comment on column pool_ondemand_config.alerted is 'The highest of them that was told in the period that was under way then; 0: none.';
comment on column pool_ondemand_config.alerted_at is 'When; null: never.';
comment on column pool_ondemand_config.configured_at is 'When this was configured.';
comment on column pool_ondemand_config.actor is 'Who did.';
comment on column pool_ondemand_config.version is 'Version of the pool at its newest event about this row.';
