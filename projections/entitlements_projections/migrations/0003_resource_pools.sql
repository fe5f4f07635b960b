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
comment on column resource_pools.organization_id is 'Who owns it.';
comment on column resource_pools.billing_account_id is 'Who pays, unless a provision says otherwise.';
comment on column resource_pools.name is 'Its name for people.';
comment on column resource_pools.status is 'open; suspended: confers nothing until resumed; closed: over for good.';
comment on column resource_pools.status_reason is 'Why it has this status, in words for an auditor.';
comment on column resource_pools.status_actor is 'Who gave it this status.';
comment on column resource_pools.opened_at is 'When it was opened, by its own clock.';
comment on column resource_pools.status_at is 'Since when it has this status.';
comment on column resource_pools.backfill_from is 'It took history from here on; null: it did not.';
comment on column resource_pools.backfilling is 'True: it is decided at the instants of its history, so its present is its clock.';
comment on column resource_pools.time_zone is 'By which time zone periods are counted.';
comment on column resource_pools.anchor_at is 'Billing anchor: anchored periods are counted from here; null: none.';
comment on column resource_pools.clock is 'Instant of its newest event.';
comment on column resource_pools.version is 'Version of the aggregate at its newest event.';
