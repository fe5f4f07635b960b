-- What was given away: by whom, why, until when. Its provision has the same id.

create table grants (
    pool_id text not null references resource_pools,
    grant_id text not null,
    status text not null check (status in ('issued', 'revoked', 'expired', 'ended')),
    reason text not null,
    actor text not null,
    issued_at timestamptz not null,
    starts_at timestamptz not null,
    ends_at timestamptz,
    over_at timestamptz,
    over_reason text,
    over_actor text,
    version bigint not null,
    primary key (pool_id, grant_id)
);

create index grants_of_actor on grants (actor);

comment on table grants is 'Grants: entitlements that nobody pays for.';
comment on column grants.pool_id is 'The pool that was given something.';
comment on column grants.grant_id is 'The grant; unique in its pool, and the id of its provision.';
comment on column grants.status is 'issued; revoked: taken back; expired: came to its end; ended: its provision or pool ended before.';
comment on column grants.reason is 'Why it was given.';
comment on column grants.actor is 'Who gave it.';
comment on column grants.issued_at is 'When it was given.';
comment on column grants.starts_at is 'From when it holds.';
comment on column grants.ends_at is 'Until when it holds, exclusive; null: until revoked.';
comment on column grants.over_at is 'When it was over; null: it is not.';
comment on column grants.over_reason is 'Why it was taken back.';
comment on column grants.over_actor is 'Who took it back.';
comment on column grants.version is 'Version of the pool at its newest event about this grant.';
