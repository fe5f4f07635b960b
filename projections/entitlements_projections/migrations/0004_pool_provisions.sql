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
comment on column pool_provisions.provision_id is 'The provision; unique in its pool.';
comment on column pool_provisions.source is 'Where it comes from: subscription, purchase or grant.';
comment on column pool_provisions.source_id is 'Its id in the billing system, or the grant.';
comment on column pool_provisions.billing_account_id is 'Who pays.';
comment on column pool_provisions.set_id is 'The entitlement set it confers.';
comment on column pool_provisions.set_version is 'Version of the set.';
comment on column pool_provisions.quantity is 'How many times it was bought.';
comment on column pool_provisions.status is 'scheduled, active, suspended or ended.';
comment on column pool_provisions.starts_at is 'When it is to start.';
comment on column pool_provisions.ends_at is 'When it is to end, exclusive; null: open end.';
comment on column pool_provisions.priority is 'Burn order: lower burns first.';
comment on column pool_provisions.follows is 'True: revised when its set has a new version.';
comment on column pool_provisions.billing_period is 'How often it is billed; null: by no calendar that is known.';
comment on column pool_provisions.scheduled_at is 'When it was connected to the pool.';
comment on column pool_provisions.started_at is 'When it did start; null: not yet.';
comment on column pool_provisions.ended_at is 'When it did end; null: not yet.';
comment on column pool_provisions.end_reason is 'Why it ended: expired, ended, revoked, replaced or pool_closed.';
comment on column pool_provisions.status_reason is 'Reason of the last suspension, resumption or change of its end, for an auditor.';
comment on column pool_provisions.actor is 'Who acted on it last.';
comment on column pool_provisions.version is 'Version of the pool at its newest event about this provision.';

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
    'Which provision occupied which plan ladder of a pool, and when. No two overlap on one ladder of one pool.';
comment on column pool_provision_ladders.pool_id is 'The pool.';
comment on column pool_provision_ladders.provision_id is 'The provision.';
comment on column pool_provision_ladders.ladder is 'The plan ladder.';
comment on column pool_provision_ladders.rung is 'Place on the ladder, higher is more.';
comment on column pool_provision_ladders.started_at is 'From when it occupied the ladder; null: not yet. A suspended provision still occupies it.';
comment on column pool_provision_ladders.ended_at is 'Until when, exclusive; null: it still does.';
comment on column pool_provision_ladders.version is 'Version of the pool at its newest event about this row.';
