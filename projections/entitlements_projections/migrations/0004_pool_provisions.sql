-- What connects a billing source to a pool for a period.

create table pool_provisions (
    pool_id text not null references resource_pools,
    provision_id text not null,
    source text not null check (source in ('subscription', 'purchase', 'grant')),
    source_id text not null,
    billing_account_id text,
    set_id text not null,
    set_version integer not null,
    quantity bigint not null check (quantity >= 1),
    status text not null check (status in ('scheduled', 'active', 'suspended', 'ended')),
    starts_at timestamptz not null,
    ends_at timestamptz,
    priority integer not null,
    follows boolean not null,
    billing_period text,
    scheduled_at timestamptz not null,
    started_at timestamptz,
    ended_at timestamptz,
    end_reason text,
    status_reason text not null,
    actor text not null,
    version bigint not null,
    primary key (pool_id, provision_id)
);

-- No reference to entitlement_sets: a set lives in another partition and may be read later. The provision carries its rules.
create index pool_provisions_of_set on pool_provisions (set_id, set_version);
create index pool_provisions_of_source on pool_provisions (source_id);

comment on table pool_provisions is 'Provisions of pools: scheduled, active, suspended, ended.';
comment on column pool_provisions.pool_id is 'The pool.';
comment on column pool_provisions.provision_id is 'Id of the provision, unique within its pool.';
comment on column pool_provisions.source is 'What it was bought or given through: subscription, purchase or grant.';
comment on column pool_provisions.source_id is 'Its id in the billing system, or the id of the grant.';
comment on column pool_provisions.billing_account_id is 'The billing account that pays.';
comment on column pool_provisions.set_id is 'The entitlement set it provides.';
comment on column pool_provisions.set_version is 'Version of the set.';
comment on column pool_provisions.quantity is 'How many times the set is provided.';
comment on column pool_provisions.status is 'scheduled, active, suspended or ended.';
comment on column pool_provisions.starts_at is 'Scheduled start.';
comment on column pool_provisions.ends_at is 'Scheduled end, exclusive; null: open-ended.';
comment on column pool_provisions.priority is 'Burn order: the lowest priority is consumed first.';
comment on column pool_provisions.follows is 'True: moves to new versions of its set; false: pinned to this version.';
comment on column pool_provisions.billing_period is 'Billing period; null: unknown.';
comment on column pool_provisions.scheduled_at is 'When it was added to the pool.';
comment on column pool_provisions.started_at is 'Actual start; null: not yet.';
comment on column pool_provisions.ended_at is 'Actual end; null: not yet.';
comment on column pool_provisions.end_reason is 'Why it ended: expired, ended, revoked, replaced or pool_closed.';
comment on column pool_provisions.status_reason is 'Reason for the last suspension, resumption or change of its end, for the audit trail.';
comment on column pool_provisions.actor is 'Who last changed it.';
comment on column pool_provisions.version is 'Version of the pool at the last event about this provision.';

create table pool_provision_ladders (
    pool_id text not null,
    provision_id text not null,
    ladder text not null,
    rung integer,
    started_at timestamptz,
    ended_at timestamptz,
    version bigint not null,
    primary key (pool_id, provision_id),
    foreign key (pool_id, provision_id) references pool_provisions,
    -- Checked when a statement is done, not row by row: one statement ends a provision and starts its successor.
    constraint one_active_provision_per_ladder
        exclude using gist (pool_id with =, ladder with =, tstzrange(started_at, ended_at) with &&)
        where (started_at is not null)
        deferrable initially immediate
);

comment on table pool_provision_ladders is
    'Which provision was on which plan ladder of a pool, and when. On one ladder of one pool no two overlap.';
comment on column pool_provision_ladders.pool_id is 'The pool.';
comment on column pool_provision_ladders.provision_id is 'The provision.';
comment on column pool_provision_ladders.ladder is 'The plan ladder.';
comment on column pool_provision_ladders.rung is 'Rung on the ladder; a higher number is a higher tier.';
comment on column pool_provision_ladders.started_at is 'When it came onto the ladder; null: not yet. A suspended provision stays on it.';
comment on column pool_provision_ladders.ended_at is 'When it left the ladder, exclusive; null: it is on it.';
comment on column pool_provision_ladders.version is 'Version of the pool at the last event about this row.';
