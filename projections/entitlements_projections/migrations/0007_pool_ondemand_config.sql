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

comment on table pool_ondemand_config is 'On-demand settings of pools: usage above what is included, charged to a payer up to a spending cap.';
comment on column pool_ondemand_config.pool_id is 'The pool.';
comment on column pool_ondemand_config.resource_key is 'The resource key.';
comment on column pool_ondemand_config.enabled is 'Whether on-demand usage is allowed.';
comment on column pool_ondemand_config.payer is 'The billing account charged; empty: that of the pool.';
comment on column pool_ondemand_config.currency is 'ISO 4217 code of the currency; empty: not set.';
comment on column pool_ondemand_config.unit_price is 'Price of price_per units of the key, in minor units of the currency.';
comment on column pool_ondemand_config.price_per is 'Quantity, in the smallest unit, that costs unit_price.';
comment on column pool_ondemand_config.spending_cap is 'Maximum spending per period, in minor units of the currency; null: no cap.';
comment on column pool_ondemand_config.alert_at is 'Percentages of the spending cap at which an alert is sent.';
comment on column pool_ondemand_config.alerted is 'The highest percentage alerted in the period of the last alert; 0: none.';
comment on column pool_ondemand_config.alerted_at is 'When it was last alerted; null: never.';
comment on column pool_ondemand_config.configured_at is 'When it was configured.';
comment on column pool_ondemand_config.actor is 'Who configured it.';
comment on column pool_ondemand_config.version is 'Version of the pool at the last event about this row.';
