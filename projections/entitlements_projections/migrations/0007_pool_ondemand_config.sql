-- Consumption above what is included: allowed up to a cap, charged to a named payer.

create table pool_ondemand_config (
    pool_id text not null references resource_pools,
    resource_key text not null references resource_keys,
    enabled boolean not null,
    spending_cap bigint check (spending_cap >= 0),
    billing_account_id text,
    configured_at timestamptz not null,
    actor text not null,
    version bigint not null,
    primary key (pool_id, resource_key)
);

comment on table pool_ondemand_config is 'On-demand consumption of pools. No event feeds it yet.';
comment on column pool_ondemand_config.pool_id is 'The pool.';
comment on column pool_ondemand_config.resource_key is 'The key that may be consumed above what is included.';
comment on column pool_ondemand_config.enabled is 'Whether it may.';
comment on column pool_ondemand_config.spending_cap is 'Up to how much, in the smallest unit of the key; null: no cap.';
comment on column pool_ondemand_config.billing_account_id is 'Who is charged; null: the pool''s billing account.';
comment on column pool_ondemand_config.configured_at is 'When this was configured.';
comment on column pool_ondemand_config.actor is 'Who did.';
comment on column pool_ondemand_config.version is 'Version of the pool at its newest event about this row.';
