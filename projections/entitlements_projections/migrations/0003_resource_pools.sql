-- The capability container: decouples who pays from who uses.

create table resource_pools (
    pool_id text primary key,
    organization_id text not null,
    billing_account_id text,
    name text not null,
    status text not null check (status in ('open', 'suspended', 'closed')),
    status_reason text not null,
    status_actor text not null,
    opened_at timestamptz not null,
    status_at timestamptz not null,
    backfill_from timestamptz,
    backfilling boolean not null,
    time_zone text not null,
    anchor_at timestamptz,
    clock timestamptz not null,
    version bigint not null
) with (fillfactor = 60);  -- Room for the new versions of rows whose clock moves: no index is touched.

create index resource_pools_of_organization on resource_pools (organization_id);

comment on table resource_pools is 'Resource pools.';
comment on column resource_pools.pool_id is 'The pool.';
comment on column resource_pools.organization_id is 'The organization that owns it.';
comment on column resource_pools.billing_account_id is 'The billing account that pays, unless a provision names another.';
comment on column resource_pools.name is 'Display name.';
comment on column resource_pools.status is 'open; suspended: provides nothing until it is resumed; closed: permanently.';
comment on column resource_pools.status_reason is 'Reason for the status, for the audit trail.';
comment on column resource_pools.status_actor is 'Who set the status.';
comment on column resource_pools.opened_at is 'When it was opened, by the pool''s clock.';
comment on column resource_pools.status_at is 'When it got this status.';
comment on column resource_pools.backfill_from is 'Start of the backfill; null: no backfill.';
comment on column resource_pools.backfilling is 'True: in backfill, so it is decided at the times of its history and its clock is its present.';
comment on column resource_pools.time_zone is 'Time zone of its periods.';
comment on column resource_pools.anchor_at is 'Billing anchor: anchored periods start from here; null: none.';
comment on column resource_pools.clock is 'Time of its last event.';
comment on column resource_pools.version is 'Version of the pool at its last event.';
