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
comment on column grants.pool_id is 'The pool that received the grant.';
comment on column grants.grant_id is 'Id of the grant, unique within its pool; also the id of its provision.';
comment on column grants.status is 'issued, revoked, expired (reached its end) or ended (its provision or pool ended first).';
comment on column grants.reason is 'Reason for the grant.';
comment on column grants.actor is 'Who issued it.';
comment on column grants.issued_at is 'When it was issued.';
comment on column grants.starts_at is 'When it takes effect.';
comment on column grants.ends_at is 'End, exclusive; null: until revoked.';
comment on column grants.over_at is 'When it ended; null: it has not ended.';
comment on column grants.over_reason is 'Why it was revoked.';
comment on column grants.over_actor is 'Who revoked it.';
comment on column grants.version is 'Version of the pool at the last event about this grant.';
