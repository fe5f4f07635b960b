-- Beside the tables of what pools have: who said otherwise, who is capped, what is reserved and by whom it is held.

create table pool_overrides (
    pool_id text not null references resource_pools,
    override_id text not null,
    resource_key text not null references resource_keys,
    workspace_id text not null,
    status text not null,
    allowed boolean not null,
    amount bigint,
    soft_limit bigint,
    hard_limit bigint,
    reason text not null,
    actor text not null,
    set_at timestamptz not null,
    expires_at timestamptz,
    over_at timestamptz,
    over_reason text not null,
    over_actor text not null,
    version bigint not null,
    primary key (pool_id, override_id)
);

comment on table pool_overrides is 'Overrides: values set by administrators for a pool or one of its customers. They outrank stacking.';
comment on column pool_overrides.pool_id is 'The pool.';
comment on column pool_overrides.override_id is 'Id of the override, unique within its pool.';
comment on column pool_overrides.resource_key is 'The resource key.';
comment on column pool_overrides.workspace_id is 'The customer it applies to; empty: the whole pool.';
comment on column pool_overrides.status is 'set, cleared or expired.';
comment on column pool_overrides.allowed is 'False: access to the key is removed.';
comment on column pool_overrides.amount is 'The amount in the smallest unit; null: unlimited, or a feature.';
comment on column pool_overrides.soft_limit is 'Warning threshold; null: none.';
comment on column pool_overrides.hard_limit is 'Strict usage above this is refused; null: the amount is the hard limit.';
comment on column pool_overrides.reason is 'Why it was set.';
comment on column pool_overrides.actor is 'Who set it.';
comment on column pool_overrides.set_at is 'When.';
comment on column pool_overrides.expires_at is 'When it expires; null: when it is cleared.';
comment on column pool_overrides.over_at is 'When it ended; null: it is in force.';
comment on column pool_overrides.over_reason is 'Why it was cleared; empty: not cleared.';
comment on column pool_overrides.over_actor is 'Who cleared it; empty: not cleared.';
comment on column pool_overrides.version is 'Version of the pool at the last event about this row.';

create table member_caps (
    pool_id text not null references resource_pools,
    workspace_id text not null,
    subject_id text not null,
    resource_key text not null references resource_keys,
    amount bigint,
    period text,
    capped_at timestamptz not null,
    actor text not null,
    version bigint not null,
    primary key (pool_id, workspace_id, subject_id, resource_key)
);

comment on table member_caps is 'Caps on what customers, and subjects in them, can use of a key per period.';
comment on column member_caps.pool_id is 'The pool.';
comment on column member_caps.workspace_id is 'The customer (`customer_id` in the API).';
comment on column member_caps.subject_id is 'The subject (user or service) in it; empty: the whole customer.';
comment on column member_caps.resource_key is 'The resource key.';
comment on column member_caps.amount is 'Maximum per period, in the smallest unit; null: the cap was removed.';
comment on column member_caps.period is 'Period of the cap; null: that of the key.';
comment on column member_caps.capped_at is 'Since when it applies.';
comment on column member_caps.actor is 'Who set it.';
comment on column member_caps.version is 'Version of the pool at the last event about this row.';

create table pool_reservations (
    pool_id text not null references resource_pools,
    reservation_id text not null,
    resource_key text not null references resource_keys,
    status text not null,
    quantity bigint not null,
    held bigint not null,
    committed bigint not null,
    workspace_id text not null,
    subject_id text not null,
    lease boolean not null,
    reserved_at timestamptz not null,
    expires_at timestamptz not null,
    over_at timestamptz,
    version bigint not null,
    primary key (pool_id, reservation_id)
);

comment on table pool_reservations is 'Reservations and leases: quantities held until they are committed, released or expire.';
comment on column pool_reservations.pool_id is 'The pool.';
comment on column pool_reservations.reservation_id is 'The reservation.';
comment on column pool_reservations.resource_key is 'The resource key.';
comment on column pool_reservations.status is 'held, committed, released or expired.';
comment on column pool_reservations.quantity is 'Quantity reserved, in the smallest unit.';
comment on column pool_reservations.held is 'Quantity held now.';
comment on column pool_reservations.committed is 'Quantity committed (used), in the smallest unit.';
comment on column pool_reservations.workspace_id is 'The customer; empty: none.';
comment on column pool_reservations.subject_id is 'The subject (user or service) within the customer; empty: none.';
comment on column pool_reservations.lease is 'Whether it is a lease, drawn down by the client that holds it.';
comment on column pool_reservations.reserved_at is 'When it was reserved.';
comment on column pool_reservations.expires_at is 'When it expires.';
comment on column pool_reservations.over_at is 'When it ended; null: it is held.';
comment on column pool_reservations.version is 'Version of the pool at the last event about this row.';

create index pool_reservations_held on pool_reservations (pool_id, resource_key) where status = 'held';

create table limit_holders (
    pool_id text not null references resource_pools,
    resource_key text not null references resource_keys,
    holder_id text not null,
    held bigint not null,
    workspace_id text not null,
    changed_at timestamptz not null,
    actor text not null,
    version bigint not null,
    primary key (pool_id, resource_key, holder_id)
);

comment on table limit_holders is 'Named holders of limits, such as users with a seat.';
comment on column limit_holders.pool_id is 'The pool.';
comment on column limit_holders.resource_key is 'The resource key.';
comment on column limit_holders.holder_id is 'The named holder, such as a user with a seat.';
comment on column limit_holders.held is 'Quantity held, in the smallest unit; 0: released.';
comment on column limit_holders.workspace_id is 'The customer; empty: none.';
comment on column limit_holders.changed_at is 'Since when it applies.';
comment on column limit_holders.actor is 'Who set it.';
comment on column limit_holders.version is 'Version of the pool at the last event about this row.';
